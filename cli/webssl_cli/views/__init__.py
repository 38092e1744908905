"""What people see of a run: the same views for a run on Kubernetes and for one on this machine."""
