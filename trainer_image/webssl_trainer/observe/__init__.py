"""What people and Prometheus see of a training process: logs and metrics."""
