"""Labels, annotations and names of every child object. This file is their documentation."""

PREFIX = "webssl.dev"

RUN = f"{PREFIX}/run"
"""On every child of a run: its name. Children of other kinds have webssl.dev/curation and webssl.dev/evaluation instead."""

ROLE = f"{PREFIX}/role"
"""On every child: `worker`, `evaluation`, `curation`, `report` or `rendezvous`. Server-side selector of all watches."""

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

EVALUATE = f"{PREFIX}/evaluate"
"""Annotation of a run: have a checkpoint scored while the run trains. `latest`, or a step; `latest@ANYTHING`: a repeated request
needs another text."""

RETRY = f"{PREFIX}/retry"
"""Annotation of a WebSSLEvaluation: have the suites run anew that have failed. Any text; a repeated request needs another one."""

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
ROLE_CURATION = "curation"
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
    """ConfigMap with the report of a suite."""
    return f"{run}-eval-{suite}"


def evaluation_job_name(owner: str, suite: str, tag: str) -> str:
    """Evaluation Job of a suite on one checkpoint. tag: hex digits that tell it from those of other checkpoints.

    Short enough for the label that a Job puts on its pods, and for their host names with an index of three digits.
    """
    return f"{evaluation_name(owner, suite)[:50].rstrip('-')}-{tag[:8]}"


def evaluation_object_name(evaluation: str) -> str:
    """What all children of a WebSSLEvaluation are called, or begin with; a run may well have the same name."""
    return f"{evaluation}-score"


def service_account_name(run: str) -> str:
    """Service account, Role and RoleBinding of the run's pods."""
    return f"{run}-pods"


def curation_name(curation: str) -> str:
    """What all children of a WebSSLCuration are called, or begin with. KubeRay takes 47 characters for a RayJob, so it is short."""
    return f"{curation}-curate"


def curation_finish_name(curation: str) -> str:
    """Job that makes one table of the scored ranges."""
    return f"{curation_name(curation)}-finish"


def curation_progress_name(curation: str) -> str:
    """ConfigMap with the reports of a pass."""
    return f"{curation_name(curation)}-progress"
