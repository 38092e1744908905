"""What a status says of the suites on one checkpoint."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from webssl_api.status_model import Count, StatusModel


class SuiteStatus(StatusModel):
    """One evaluation suite."""

    name: str
    """Name of the suite."""

    phase: str = "Pending"
    """Pending, Running, Succeeded or Failed."""

    retries: Count = 0
    """Times that its pod was tried again."""

    scores: dict[str, float] = Field(default_factory=dict)
    """Scores by metric, the answer prior beside them."""

    questions: Count = 0
    """Number of questions or test images."""

    version: Count = 0
    """Version of the suite's scoring; 0: not known yet."""

    settings_digest: str = ""
    """Digest of the suite's settings."""

    data_digest: str = ""
    """Digest of the data sets and models that it scored with."""

    message: str = ""
    """Why it failed, or what its pods wait for."""

    request: str = ""
    """Text of the annotation webssl.dev/retry by which it was tried anew last; empty: it never was."""


class HoldPhase(StrEnum):
    """Whether a checkpoint stays."""

    WAITING = "Waiting"
    ASKED = "Asked"
    HELD = "Held"
    REFUSED = "Refused"


class CheckpointHold(StatusModel):
    """A checkpoint that stays for a WebSSLEvaluation, beyond checkpoint.keep."""

    evaluation: str
    """Name of the WebSSLEvaluation; the hold goes with it, and when it is over."""

    uid: str
    """UID of the WebSSLEvaluation."""

    uri: str
    """Folder of the checkpoint."""

    digest: str = ""
    """Digest of the checkpoint; empty: the trainer has still to tell it."""

    phase: HoldPhase = HoldPhase.WAITING
    """Waiting (for another request to be answered), Asked, Held (the trainer has said so) or Refused."""

    message: str = ""
    """Why it is refused, if it is."""

    request: str
    """Text by which the trainer is asked for it."""


class EvaluationStatus(StatusModel):
    """The evaluation of one checkpoint."""

    phase: str = "Pending"
    """Pending, Running, Succeeded, Failed or Skipped."""

    checkpoint_digest: str = ""
    """Digest of the checkpoint that is scored."""

    checkpoint_uri: str = ""
    """Folder of the checkpoint."""

    attempt: Count = 0
    """Attempt that wrote it."""

    step: Count = 0
    """Optimizer steps done when it was taken."""

    samples: Count = 0
    """Samples seen when it was taken."""

    request: str = ""
    """Text of the annotation that asked for it; empty: nobody had to ask."""

    message: str = ""
    """Why it was skipped, if it was."""

    suites: list[SuiteStatus] = Field(default_factory=list)
    """One entry per suite."""
