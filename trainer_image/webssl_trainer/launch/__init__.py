"""Entry of each worker pod: checks, the elastic agent, and the pod's exit code."""
