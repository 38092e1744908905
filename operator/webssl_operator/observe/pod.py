"""What the operator must know of a pod. A few hundred bytes instead of the whole object, so that thousands fit in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webssl_api import labels
from webssl_api.run import KIND

from webssl_operator.observe.belonging import belongs_to
from webssl_operator.observe.times import parse_time

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
_FINISHED = frozenset({"Failed", "Succeeded"})
_OURS = frozenset({labels.ROLE_WORKER, labels.ROLE_EVALUATION, labels.ROLE_CURATION})


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod.

    owner_name, owner_kind: name and kind of the object it belongs to. index: completion index, None where there is none. deleted: when the
    pod is to be gone (deletionTimestamp, which includes the grace time); grace: that grace in seconds. unschedulable: since when the
    scheduler finds no room. disruption: reason of the DisruptionTarget condition. gone: True when the object vanished while the
    operator watched. sequence: resourceVersion.
    """

    namespace: str
    name: str
    uid: str
    owner_name: str
    role: str
    suite: str
    sequence: int
    job_uid: str = ""
    index: int | None = None
    node: str = ""
    phase: str = "Pending"
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    ready: bool = False
    unschedulable: datetime | None = None
    unschedulable_message: str = ""
    deleted: datetime | None = None
    grace: int = 0
    disruption: str = ""
    reason: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    log: str = ""
    gone: bool = False
    owner_kind: str = KIND

    @property
    def over(self) -> bool:
        """Whether the pod has ended or vanished."""
        return self.gone or self.phase in _FINISHED

    @property
    def running(self) -> bool:
        """Whether it runs and is to go on."""
        return self.phase == "Running" and self.deleted is None and not self.gone

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> PodView:
        """View of a pod as the API server serves it."""
        meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
        tags = meta.get("labels", {})
        name, kind = belongs_to(tags)
        conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
        scheduled = conditions.get("PodScheduled", {})
        waiting = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
        disrupted = conditions.get("DisruptionTarget", {})
        state = _main_state(status)
        ended = state.get("terminated") or {}
        running = state.get("running") or {}
        index = meta.get("annotations", {}).get(COMPLETION_INDEX, tags.get(COMPLETION_INDEX))
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            owner_name=name,
            owner_kind=kind,
            role=tags.get(labels.ROLE, ""),
            suite=tags.get(labels.SUITE, ""),
            sequence=int(meta.get("resourceVersion", 0)),
            job_uid=next((o["uid"] for o in meta.get("ownerReferences", ()) if o["kind"] == "Job"), ""),
            index=int(index) if index is not None else None,
            node=spec.get("nodeName", ""),
            phase=status.get("phase", "Pending"),
            created=parse_time(meta.get("creationTimestamp")),
            started=parse_time(ended.get("startedAt") or running.get("startedAt")),
            finished=parse_time(ended.get("finishedAt")),
            ready=conditions.get("Ready", {}).get("status") == "True",
            unschedulable=parse_time(scheduled.get("lastTransitionTime")) if waiting else None,
            unschedulable_message=scheduled.get("message", "") if waiting else "",
            deleted=parse_time(meta.get("deletionTimestamp")),
            grace=int(meta.get("deletionGracePeriodSeconds") or 0),
            disruption=disrupted.get("reason", "") if disrupted.get("status") == "True" else "",
            reason=status.get("reason", ""),
            exit_code=ended.get("exitCode"),
            exit_reason=ended.get("reason", ""),
            log=ended.get("message", ""),
        )


def _main_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """State of the one container that this operator puts into a pod; meshes may add others beside it."""
    statuses = status.get("containerStatuses", ())
    named = next((s for s in statuses if s["name"] in _OURS), None)
    state: Mapping[str, Any] = (named or {}).get("state", {})
    return state
