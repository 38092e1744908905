"""Labels, annotations and names of every child object. This file is their documentation."""

PREFIX = "webssl.dev"

RUN = f"{PREFIX}/run"
"""On every child: name of the run. Server-side selector of all watches."""

ROLE = f"{PREFIX}/role"
"""On every child: `worker`, `evaluation`, `report` or `rendezvous`."""

SUITE = f"{PREFIX}/suite"
"""On an evaluation's children: name of the suite."""

CHECKPOINT_DIGEST = f"{PREFIX}/checkpoint-digest"
"""Annotation of an evaluation Job: digest of the checkpoint that it scores."""

TEMPLATE_DIGEST = f"{PREFIX}/template-digest"
"""Annotation of a worker Job: digest of its pod template, which cannot be changed in place."""

RECIPE = f"{PREFIX}/recipe"
"""Annotation of a run: name of the recipe that its manifest was made from."""

PROFILE = f"{PREFIX}/profile"
"""Annotation of a run: have rank 0 trace so many of its next steps (at most 20) with torch's profiler; the trace is left below
spec.checkpoint.uri in `profiles/`. `5`, or `5@ANYTHING`: a repeated request needs another text."""

PROFILE_KEY = "profile"
"""Key in the ConfigMap with the resolved run, and so a file beside run.yaml: the text of that annotation."""

WORKERS = "workers"
"""Key in the rendezvous ConfigMap's data: number of workers that the operator wants now."""

MANAGED_BY = "app.kubernetes.io/managed-by"
"""On every child: `webssl-operator`. Watches select on it."""

MANAGER = "webssl-operator"
"""Field manager of server-side apply, and value of MANAGED_BY."""

QUEUE_NAME = "kueue.x-k8s.io/queue-name"
"""Kueue's queue label; passed from the run to its worker Job."""

ROLE_WORKER = "worker"
ROLE_EVALUATION = "evaluation"
ROLE_REPORT = "report"
ROLE_RENDEZVOUS = "rendezvous"


def job_name(run: str) -> str:
    """The worker Job, and the headless Service of the same pods."""
    return run


def run_config_name(run: str) -> str:
    """ConfigMap with the resolved run."""
    return f"{run}-run"


def rendezvous_name(run: str) -> str:
    """ConfigMap with the rendezvous state."""
    return f"{run}-rendezvous"


def progress_name(run: str) -> str:
    """ConfigMap with the trainer's report."""
    return f"{run}-progress"


def evaluation_name(run: str, suite: str) -> str:
    """Evaluation Job of a suite, and the ConfigMap with its report."""
    return f"{run}-eval-{suite}"


def service_account_name(run: str) -> str:
    """Service account, Role and RoleBinding of the run's pods."""
    return f"{run}-pods"
