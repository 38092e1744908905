"""What the operator must know of a RayJob of KubeRay (ray.io/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from webssl_api import labels

from webssl_operator.observe.belonging import belongs_to, owner_uid
from webssl_operator.observe.times import parse_time

API = "ray.io/v1"
KIND: Literal["RayJob"] = "RayJob"


@dataclass(frozen=True, slots=True)
class RayJobView:
    """One RayJob. job, deployment: jobStatus and jobDeploymentStatus in KubeRay's words; failures: attempts that failed."""

    namespace: str
    name: str
    uid: str
    owner_name: str
    owner_kind: str
    sequence: int
    owner: str = ""
    deleting: bool = False
    suspended: bool = False
    template_digest: str = ""
    job: str = ""
    deployment: str = ""
    reason: str = ""
    message: str = ""
    failures: int = 0
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """Whether its driver has ended well."""
        return self.job == "SUCCEEDED"

    @property
    def failed(self) -> bool:
        """Whether KubeRay has given it up."""
        return not self.succeeded and (
            self.deployment in ("Failed", "ValidationFailed")
            or (self.deployment == "Complete" and self.job in ("FAILED", "STOPPED"))
        )

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> RayJobView:
        """View of a RayJob as the API server serves it."""
        meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
        name, kind = belongs_to(meta.get("labels", {}))
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            owner_name=name,
            owner_kind=kind,
            sequence=int(meta.get("resourceVersion", 0)),
            owner=owner_uid(meta),
            deleting="deletionTimestamp" in meta,
            suspended=bool(spec.get("suspend", False)),
            template_digest=meta.get("annotations", {}).get(labels.TEMPLATE_DIGEST, ""),
            job=status.get("jobStatus", ""),
            deployment=status.get("jobDeploymentStatus", ""),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            failures=int(status.get("failed") or 0),
            started=parse_time(status.get("startTime")),
            ended=parse_time(status.get("endTime")),
        )
