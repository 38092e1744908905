"""Curation: every image of a data set is scored once, and the table that `spec.data.filter` reads comes out.

scorers -> a part for each shard -> duplicates and text classes over all of them -> one table. See docs/curation.md.
"""
