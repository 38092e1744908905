"""An object of any kind beside runs as the operator sees it: a parsed specification (or why it does not parse), and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from webssl_api import labels
from webssl_api.base import ApiModel
from webssl_api.status import StatusModel

from webssl_operator.observe.requests import request_of

S = TypeVar("S", bound=ApiModel)
T = TypeVar("T", bound=StatusModel)


@dataclass(frozen=True, slots=True)
class ObjectView(Generic[S, T]):
    """One object. spec is None when `invalid` says what is wrong with it. spec_type, status_type: the types of its two halves.

    retry: the request to try anew what has failed, as it was written.
    """

    owner_kind: str
    spec_type: type[S]
    status_type: type[T]
    namespace: str
    name: str
    uid: str
    sequence: int
    status: T
    generation: int = 0
    deleting: bool = False
    queue: str = ""
    retry: str = ""
    spec: S | None = None
    invalid: str = ""

    @property
    def owner_name(self) -> str:
        """The object's name; the same attribute as on its children."""
        return self.name

    @property
    def phase(self) -> StrEnum | None:
        """Where it stands, by its status."""
        phase: StrEnum | None = getattr(self.status, "phase", None)
        return phase

    @classmethod
    def of(
        cls, kind: str, spec_type: type[S], status_type: type[T], raw: Mapping[str, Any]
    ) -> ObjectView[S, T]:
        """View of an object as the API server serves it."""
        meta = raw["metadata"]
        spec, invalid = _parse(spec_type, raw.get("spec") or {})
        return cls(
            owner_kind=kind,
            spec_type=spec_type,
            status_type=status_type,
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            sequence=int(meta.get("resourceVersion", 0)),
            status=_status(status_type, raw.get("status") or {}),
            generation=int(meta.get("generation", 0)),
            deleting="deletionTimestamp" in meta,
            queue=meta.get("labels", {}).get(labels.QUEUE_NAME, ""),
            retry=request_of(meta, labels.RETRY),
            spec=spec,
            invalid=invalid,
        )

    def renewed(self, raw: Mapping[str, Any]) -> ObjectView[S, T]:
        """View of the same object as the API server serves it now."""
        return ObjectView.of(self.owner_kind, self.spec_type, self.status_type, raw)


def _parse(spec_type: type[S], spec: Mapping[str, Any]) -> tuple[S | None, str]:
    try:
        return spec_type.model_validate(spec), ""
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["spec", *(str(part) for part in first["loc"])])
        return None, f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _status(status_type: type[T], status: Mapping[str, Any]) -> T:
    try:
        return status_type.model_validate(status)
    except ValidationError:
        # Only a foreign hand can write such a status; what can be seen in the cluster is worth more than it.
        return status_type()
