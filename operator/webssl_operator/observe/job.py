"""What the operator must know of a Job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webssl_api import labels
from webssl_api.run import KIND

from webssl_operator.observe.belonging import belongs_to, owner_uid
from webssl_operator.observe.times import parse_time


@dataclass(frozen=True, slots=True)
class JobView:
    """One Job.

    owner_name, owner_kind: name and kind of the object it belongs to; owner: uid of the one that owns it. failures: pods that failed
    and were not ignored.
    """

    namespace: str
    name: str
    uid: str
    owner_name: str
    role: str
    suite: str
    sequence: int
    owner: str = ""
    parallelism: int = 0
    completions: int = 0
    suspended: bool = False
    template_digest: str = ""
    checkpoint_digest: str = ""
    deleting: bool = False
    failures: int = 0
    active: int = 0
    complete: bool = False
    completed: datetime | None = None
    ending: bool = False
    failed: bool = False
    failed_reason: str = ""
    failed_message: str = ""
    owner_kind: str = KIND

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> JobView:
        """View of a Job as the API server serves it."""
        meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
        tags, notes = meta.get("labels", {}), meta.get("annotations", {})
        name, kind = belongs_to(tags)
        true = {c["type"]: c for c in status.get("conditions", ()) if c["status"] == "True"}
        failed = true.get("Failed", {})
        complete = true.get("Complete", {})
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            owner_name=name,
            owner_kind=kind,
            role=tags.get(labels.ROLE, ""),
            suite=tags.get(labels.SUITE, ""),
            sequence=int(meta.get("resourceVersion", 0)),
            owner=owner_uid(meta),
            parallelism=int(spec.get("parallelism", 0)),
            completions=int(spec.get("completions", 0)),
            suspended=bool(spec.get("suspend", False)),
            template_digest=notes.get(labels.TEMPLATE_DIGEST, ""),
            checkpoint_digest=notes.get(labels.CHECKPOINT_DIGEST, ""),
            deleting="deletionTimestamp" in meta,
            failures=int(status.get("failed", 0)),
            active=int(status.get("active", 0)),
            complete=bool(complete),
            completed=parse_time(status.get("completionTime") or complete.get("lastTransitionTime")),
            ending=bool(true.keys() & {"SuccessCriteriaMet", "FailureTarget", "Complete", "Failed"}),
            failed=bool(failed),
            failed_reason=failed.get("reason", ""),
            failed_message=failed.get("message", ""),
        )
