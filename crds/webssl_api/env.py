"""Environment variables that the operator sets in pods."""

RUN_FILE = "WEBSSL_RUN_FILE"
"""Path of run.yaml (a ResolvedRun)."""

REPORT = "WEBSSL_REPORT"
"""Where reports go: configmap://NAMESPACE/NAME or file:///PATH."""

RENDEZVOUS = "WEBSSL_RENDEZVOUS"
"""Where the rendezvous state is: configmap://NAMESPACE/NAME or file:///PATH."""

WORKER_ID = "WEBSSL_WORKER_ID"
"""Unique and stable name of this worker: the pod's name."""

WORKER_ADDRESS = "WEBSSL_WORKER_ADDRESS"
"""Address at which other workers reach this one: the pod's IP."""

METRICS_PORT = "WEBSSL_METRICS_PORT"
"""Port of the Prometheus exporter."""

SUITE = "WEBSSL_SUITE"
"""Name of the suite that an evaluation pod runs."""

CHECKPOINT_URI = "WEBSSL_CHECKPOINT_URI"
"""Checkpoint folder that an evaluation pod scores."""

CHECKPOINT_DIGEST = "WEBSSL_CHECKPOINT_DIGEST"
"""Digest that this checkpoint must have."""

DEFAULT_METRICS_PORT = 9400
RUN_MOUNT = "/etc/webssl"
SCRATCH_MOUNT = "/scratch"
"""Writable emptyDir; HOME, TMPDIR and caches of the read-only containers live there."""
