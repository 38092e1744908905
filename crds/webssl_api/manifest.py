"""`manifest.json` of a checkpoint: written last; a folder without it is no checkpoint."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field

from webssl_api.status import StatusModel

MANIFEST_NAME = "manifest.json"


class ObjectEntry(StatusModel):
    """One object of the checkpoint."""

    path: str
    """Path below the checkpoint's folder."""

    size: Annotated[int, Field(ge=0)]
    """Size in bytes."""

    sha256: str
    """SHA-256 of its bytes, in hex."""


class StartedFrom(StatusModel):
    """The checkpoint of another run whose weights a run began with."""

    uri: str
    """Its folder."""

    digest: str
    """Its digest."""

    step: int
    """Optimizer steps of that run."""

    samples: int
    """Samples seen by that run."""


class CheckpointManifest(StatusModel):
    """What a checkpoint holds and where in the run it was taken."""

    format: int = 1
    """Version of this layout."""

    run_uid: str
    attempt: int
    step: int
    """Optimizer steps done."""

    samples: int
    """Samples seen; the position at which training goes on."""

    stage: int
    """Number of the stage that the next step belongs to."""

    final: bool = False
    """True for the checkpoint at the end of the run."""

    world_size: int
    """Processes that wrote it; it loads at any other number."""

    config_digest: str
    """Digest of model, objective, schedule, optimizer, data source and seed."""

    parent: str = ""
    """Digest of the checkpoint before it in this lineage: for the first that of `started_from`, or empty."""

    started_from: StartedFrom | None = None
    """Where the run's first weights are from; unset: they were random ones."""

    resumed_step: int = 0
    """Step from which this attempt started."""

    step_logs: list[str] = Field(default_factory=list)
    """Step-log objects of this attempt up to this checkpoint, as paths below the run's folder."""

    lost_steps: int = 0
    """Steps trained and rolled back over all attempts so far."""

    productive_seconds: float = 0.0
    """Wall seconds spent in steps that count, over all attempts so far."""

    torch_version: str = ""
    time: str = ""
    objects: list[ObjectEntry]

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces. The digest is over these bytes."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of `to_bytes()`, in hex: the checkpoint's digest."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> CheckpointManifest:
        """Read it back. Raises pydantic.ValidationError for anything else."""
        return cls.model_validate_json(data)
