"""A real Kubernetes, S3 and Prometheus on one Linux machine, without Docker."""
