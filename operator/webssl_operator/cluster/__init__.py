"""Cluster: the only place that talks to the API server. It fills caches, carries out single requests, and holds the Lease."""
