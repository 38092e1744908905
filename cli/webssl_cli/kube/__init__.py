"""The Kubernetes API as the command line uses it."""
