"""Metrics: one table of all series, and the collector that reads them off the caches at every scrape."""
