"""From published files to questions: which files there are, rows of tables and JSON, and the bytes of pictures."""
