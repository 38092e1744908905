"""Reports: what is known of checkpoints, beside the paper's rows, as one HTML page, Markdown or CSV.

`gather` reads through the storage that it is handed; everything else is a pure function of what it found.
"""
