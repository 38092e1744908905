"""A WebSSLRun as the operator sees it: a parsed specification (or why it does not parse), and the status as written last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from webssl_api import labels
from webssl_api.run import KIND, WebSSLRunSpec
from webssl_api.status import Phase, RunStatus

from webssl_operator.observe.requests import request_of

_MOST_PROFILE = 256
"""Characters of a request for a trace; a longer one is none, and the trainer says so."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. spec is None when `invalid` says what is wrong with it. profile, evaluate: the requests for a trace and for an
    evaluation, as they were written."""

    namespace: str
    name: str
    uid: str
    sequence: int
    generation: int = 0
    deleting: bool = False
    queue: str = ""
    profile: str = ""
    evaluate: str = ""
    spec: WebSSLRunSpec | None = None
    invalid: str = ""
    status: RunStatus = field(default_factory=RunStatus)

    @property
    def owner_name(self) -> str:
        """The run's name; the same attribute as on its children."""
        return self.name

    @property
    def owner_kind(self) -> str:
        """Its kind; the same attribute as on its children."""
        return KIND

    @property
    def phase(self) -> Phase | None:
        """Where it stands, by its status."""
        return self.status.phase

    def renewed(self, raw: Mapping[str, Any]) -> RunView:
        """View of the same run as the API server serves it now."""
        return RunView.of(raw, self)

    @classmethod
    def of(cls, raw: Mapping[str, Any], before: RunView | None = None) -> RunView:
        """View of a run. `before` saves parsing a specification again whose generation is the same."""
        meta = raw["metadata"]
        generation = int(meta.get("generation", 0))
        spec: WebSSLRunSpec | None
        if before is not None and before.uid == meta["uid"] and before.generation == generation:
            spec, invalid = before.spec, before.invalid
        else:
            spec, invalid = _parse(raw.get("spec", {}))
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            sequence=int(meta.get("resourceVersion", 0)),
            generation=generation,
            deleting="deletionTimestamp" in meta,
            queue=meta.get("labels", {}).get(labels.QUEUE_NAME, ""),
            profile=(meta.get("annotations") or {}).get(labels.PROFILE, "")[:_MOST_PROFILE],
            evaluate=request_of(meta, labels.EVALUATE),
            spec=spec,
            invalid=invalid,
            status=_status(raw.get("status") or {}),
        )


def _parse(spec: Mapping[str, Any]) -> tuple[WebSSLRunSpec | None, str]:
    try:
        return WebSSLRunSpec.model_validate(spec), ""
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["spec", *(str(part) for part in first["loc"])])
        return None, f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _status(status: Mapping[str, Any]) -> RunStatus:
    try:
        return RunStatus.model_validate(status)
    except ValidationError:
        # Only a foreign hand can write such a status; what can be seen in the cluster is worth more than it.
        return RunStatus()
