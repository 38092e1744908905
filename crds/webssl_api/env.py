"""Environment variables that the operator sets in pods."""

RUN_FILE = "WEBSSL_RUN_FILE"
"""Path of run.yaml (a ResolvedRun)."""

CURATION_FILE = "WEBSSL_CURATION_FILE"
"""Path of curation.yaml (a ResolvedCuration)."""

REPORT = "WEBSSL_REPORT"
"""Where reports go: configmap://NAMESPACE/NAME, with #KEY for another key than report.json, or file:///PATH."""

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

PARTS = "WEBSSL_PARTS"
"""How many pods share a suite's questions; unset: this one answers all. Which of them a pod is stands in COMPLETION_INDEX."""

COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in pods of an Indexed Job: from 0."""

CHECKPOINT_URI = "WEBSSL_CHECKPOINT_URI"
"""Checkpoint folder that an evaluation pod scores."""

CHECKPOINT_DIGEST = "WEBSSL_CHECKPOINT_DIGEST"
"""Digest that this checkpoint must have, its first digits, or the empty text: then whichever is there is scored."""

DEFAULT_METRICS_PORT = 9400
RUN_MOUNT = "/etc/webssl"
SCRATCH_MOUNT = "/scratch"
"""Writable emptyDir; HOME, TMPDIR and caches of the read-only containers live there."""
CACHE_MOUNT = "/cache"
"""Volume of spec.data.cache."""
