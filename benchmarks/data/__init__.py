"""Benchmarks of the data plane."""
