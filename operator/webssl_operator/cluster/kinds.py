"""What is watched, and with which server-side selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webssl_api import labels
from webssl_api.run import API_VERSION

from webssl_operator.cluster.caches import Caches, RunKey, View
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.run import RunView

CHILDREN = f"{labels.RUN},{labels.MANAGED_BY}={labels.MANAGER}"
REPORTS = f"{CHILDREN},{labels.ROLE}={labels.ROLE_REPORT}"
"""Only reports: the rendezvous changes with every heartbeat of every worker, and nothing in it concerns the operator."""


@dataclass(frozen=True)
class Kind:
    """One watched kind: the server-side label selector, and how its objects go into the caches.

    gather: seconds that a change waits for others of the same run, so that they make one pass. Pods and Jobs change most often and
    least often alone: the end of a Job comes in two steps, and the status of neither is worth a write of its own.
    """

    api: str
    kind: str
    selector: str
    view: Callable[[Mapping[str, Any], Caches], View]
    put: Callable[[Caches, Any], RunKey | None]
    gather: float = 0.2


def _run_view(raw: Mapping[str, Any], caches: Caches) -> View:
    meta = raw["metadata"]
    return RunView.of(raw, caches.run_of((meta["namespace"], meta["name"])))


OWN = Kind(API_VERSION, "WebSSLRun", "", _run_view, Caches.put_run)
CHILD_KINDS: tuple[Kind, ...] = (
    Kind("batch/v1", "Job", CHILDREN, lambda raw, _: JobView.of(raw), Caches.put_job, gather=1.0),
    Kind("v1", "Pod", CHILDREN, lambda raw, _: PodView.of(raw), Caches.put_pod, gather=1.0),
    Kind(
        "v1",
        "ConfigMap",
        REPORTS,
        lambda raw, _: ConfigMapView.of(raw),
        Caches.put_config_map,
    ),
)
KINDS: tuple[Kind, ...] = (OWN, *CHILD_KINDS)
