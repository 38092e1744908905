"""How operator and trainer agree on which checkpoints stay until they are scored.

The trainer alone deletes checkpoints, so the trainer alone decides which stay. It holds what the orders ask for, says so in its
report, and lets go when the orders name a checkpoint as over. Either side may miss any number of the other's words.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webssl_api.status import CheckpointStatus, StatusModel

ORDERS_KEY = "evaluation.json"
"""Key in the ConfigMap with the resolved run, and so a file beside run.yaml; without it nothing is held."""


class Held(StatusModel):
    """One checkpoint, and why it is held."""

    digest: str
    """Digest of the checkpoint."""

    request: str = ""
    """Text of the request that it answers, the user's or that of a WebSSLEvaluation; empty: it is one of those that are scored from
    time to time."""


class EvaluationOrders(StatusModel):
    """What the operator asks of the trainer."""

    every_samples: Annotated[int, Field(ge=1)] | None = None
    """Hold the first checkpoint at or after each multiple of so many samples."""

    request: str = ""
    """Text of the request that waits for a checkpoint: `latest`, or a step, then perhaps `@ANYTHING`."""

    scoring: list[Held] = Field(default_factory=list)
    """What is being scored, for the run itself or for a WebSSLEvaluation: a trainer that started meanwhile holds it too."""

    over: list[Held] = Field(default_factory=list)
    """What need not be held any longer, of what the trainer said that it holds."""


class HeldCheckpoint(StatusModel):
    """A checkpoint that the trainer holds."""

    checkpoint: CheckpointStatus
    """The checkpoint."""

    request: str = ""
    """See Held."""

    @property
    def held(self) -> Held:
        """The checkpoint by its digest."""
        return Held(digest=self.checkpoint.digest, request=self.request)


class RefusedRequest(StatusModel):
    """A request that no checkpoint answers."""

    request: str
    """Its text."""

    reason: str
    """Why, and the mend."""
