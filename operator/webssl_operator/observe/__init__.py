"""Observe: from raw objects of the API server to one snapshot of a run and its children. Pure; no I/O, no clock."""
