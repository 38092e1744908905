"""What pods tell the operator, through ConfigMaps (or files, without a cluster); see docs/design/0001-walls.md."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from webssl_api.evaluation_orders import HeldCheckpoint, RefusedRequest
from webssl_api.status import CheckpointStatus, RejectedCheckpoint, StatusModel

REPORT_KEY = "report.json"
UNITS = {"rmse": "m", "prior_rmse": "m", "mme_p": "points", "mme_p_partial": "points"}
"""Units of the scores that are no shares in per cent, by metric."""

Count = Annotated[int, Field(ge=0)]


class TrainingState(StrEnum):
    """What the worker group does."""

    STARTING = "starting"
    TRAINING = "training"
    SAVING = "saving"
    COMPLETED = "completed"


class TrainingReport(StatusModel):
    """Latest word of rank 0. Totals (lost steps, productive seconds) are over all attempts."""

    attempt: Count = 0
    """Attempt that reports."""

    state: TrainingState = TrainingState.STARTING
    """What the worker group does."""

    workers: Count = 0
    """Workers in the round."""

    world_size: Count = 0
    """Processes in the round."""

    step: Count = 0
    """Optimizer steps done."""

    samples: Count = 0
    """Samples seen."""

    loss: float | None = None
    """Latest loss; None before the first step and when it is not finite."""

    images_per_second: float | None = None
    """Over the last steps, over all processes."""

    broken_samples: Count = 0
    """Broken samples replaced in this attempt."""

    lost_steps: Count = 0
    """Steps trained and rolled back over all attempts."""

    productive_seconds: float = 0.0
    """Wall seconds spent in steps that count, over all attempts."""

    last_checkpoint: CheckpointStatus | None = None
    """Newest committed checkpoint."""

    resumed_from: CheckpointStatus | None = None
    """Checkpoint from which this attempt started."""

    rejected_checkpoints: list[RejectedCheckpoint] = Field(default_factory=list)
    """Checkpoints that did not verify when this attempt resumed, newest first."""

    held_checkpoints: list[HeldCheckpoint] = Field(default_factory=list)
    """Checkpoints that stay until the operator's orders name them as over, oldest first."""

    refused_request: RefusedRequest | None = None
    """The request for an evaluation that no checkpoint answers, if it is refused."""

    time: str = ""
    """When it was written (RFC 3339)."""


class EvaluationReport(StatusModel):
    """Outcome of one suite on one checkpoint."""

    suite: str
    """Name of the suite."""

    kind: str
    """Kind of the suite: vqa, knn, linear, ..."""

    checkpoint_digest: str
    """Digest of the checkpoint that was scored."""

    scores: dict[str, float]
    """Scores by metric, in per cent where UNITS names no unit; the prior (majority answer or class) stands beside the score."""

    questions: Count
    """Number of questions or test images."""

    predictions_uri: str = ""
    """Where the single predictions are stored."""

    suite_version: int = 1
    """Version of the suite's scoring."""

    settings_digest: str = ""
    """Digest of the suite's settings."""

    data_digest: str = ""
    """Digest of the data sets and models that were scored with."""

    time: str = ""
    """When it was written (RFC 3339)."""
