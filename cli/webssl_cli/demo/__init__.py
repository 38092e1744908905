"""`webssl demo`: from an empty machine to a trained, evaluated model on a real Kubernetes, a worker killed on the way."""
