"""The generated parts of the Helm chart. Runs at `make generate`; no image carries it."""
