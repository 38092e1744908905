"""What is watched, and with which server-side selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webssl_api import labels, run
from webssl_api.kind import API_VERSION

from webssl_operator.cluster.caches import Caches
from webssl_operator.kinds.handling import Handling
from webssl_operator.kinds.registry import HANDLINGS
from webssl_operator.observe import rayjob
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import View
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.rayjob import RayJobView

CHILDREN = f"{labels.ROLE},{labels.MANAGED_BY}={labels.MANAGER}"
REPORTS = f"{labels.ROLE}={labels.ROLE_REPORT},{labels.MANAGED_BY}={labels.MANAGER}"
"""Only reports: the rendezvous changes with every heartbeat of every worker, and nothing in it concerns the operator."""


@dataclass(frozen=True)
class Kind:
    """One watched kind: the server-side label selector, and how its objects go into the caches.

    gather: seconds that a change waits for others of the same object, so that they make one pass. Pods and Jobs change most often and
    least often alone: the end of a Job comes in two steps, and the status of neither is worth a write of its own. optional: the API
    server need not serve it.
    """

    api: str
    kind: str
    selector: str
    view: Callable[[Mapping[str, Any], Caches], View]
    put: Callable[[Caches, Any], Key | None]
    gather: float = 0.2
    optional: bool = False


def _own(handling: Handling) -> Kind:
    """The watch of a kind of ours. Only that of runs is sure to be served: the others' CRDs may come later."""
    name = handling.kind.name

    def view(raw: Mapping[str, Any], caches: Caches) -> View:
        meta = raw["metadata"]
        before = caches.head_of(Key(meta["namespace"], meta["name"], name))
        return before.renewed(raw) if before is not None else handling.view(raw)

    return Kind(API_VERSION, name, "", view, Caches.put_head, optional=name != run.KIND)


OWN_KINDS: tuple[Kind, ...] = tuple(_own(handling) for handling in HANDLINGS)
RUN_KIND = next(kind for kind in OWN_KINDS if kind.kind == run.KIND)
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
    Kind(
        rayjob.API,
        rayjob.KIND,
        CHILDREN,
        lambda raw, _: RayJobView.of(raw),
        Caches.put_ray_job,
        optional=True,
    ),
)
KINDS: tuple[Kind, ...] = (*OWN_KINDS, *CHILD_KINDS)
