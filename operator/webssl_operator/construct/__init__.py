"""Construct: the manifests of a run's children, as pure functions of the run. Neither kopf nor the Kubernetes client is known here."""
