"""`status` of a WebSSLRun: everything that the operator knows about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from webssl_api.evaluation_status import CheckpointHold, EvaluationStatus, SuiteStatus
from webssl_api.status_model import Count, StatusModel

__all__ = [
    "TERMINAL",
    "CheckpointHold",
    "CheckpointStatus",
    "Condition",
    "Count",
    "EvaluationStatus",
    "Phase",
    "ProgressStatus",
    "RejectedCheckpoint",
    "RestartRecord",
    "RestartsStatus",
    "RunStatus",
    "ShrinkStatus",
    "StatusModel",
    "SuiteStatus",
    "WorkerPod",
    "WorkersStatus",
]


class Phase(StrEnum):
    """Where a run stands; one word for people, conditions for programs."""

    PENDING = "Pending"
    SUSPENDED = "Suspended"
    RUNNING = "Running"
    EVALUATING = "Evaluating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED})


class Condition(StatusModel):
    """A standard Kubernetes condition."""

    type: str
    """Name of the condition: Admitted, WorkersReady, TrainingComplete, Evaluated, CheckpointVerified, CheckpointHeld,
    Failed."""

    status: Annotated[str, Field(pattern=r"^(True|False|Unknown)$")]
    """True, False or Unknown."""

    reason: str = ""
    """One CamelCase word for the cause."""

    message: str = ""
    """A sentence for people."""

    last_transition_time: str = ""
    """When the status last changed (RFC 3339)."""

    observed_generation: int = 0
    """Generation of the manifest that it speaks of."""


class WorkerPod(StatusModel):
    """A worker pod that was seen running."""

    name: str
    """Name of the pod."""

    uid: str
    """UID of the pod."""

    index: Count | None = None
    """Completion index of the pod."""


class WorkersStatus(StatusModel):
    """How many workers there are."""

    ready: Count = 0
    """Workers whose pods run."""

    desired: Count = 0
    """Workers that the operator asks for now."""

    summary: str = ""
    """Ready and desired as one text, such as 2/2."""

    selector: str = ""
    """Label selector of the worker pods, for the scale subresource."""

    running: list[WorkerPod] = Field(default_factory=list)
    """Pods that run or are being deleted; one that vanishes while no operator looks is counted by the next."""


class ProgressStatus(StatusModel):
    """How far training is."""

    samples: Count = 0
    """Samples seen."""

    total_samples: Count = 0
    """Samples that the run will have seen at its end."""

    step: Count = 0
    """Optimizer steps done."""

    percent: Count = 0
    """Share of the samples seen, in per cent, rounded down."""

    loss: float | None = None
    """Latest loss."""

    images_per_second: float | None = None
    """Images per second over all workers, over the last steps."""

    broken_samples: Count = 0
    """Broken images replaced so far by this attempt."""

    updated_time: str = ""
    """When the trainer last reported (RFC 3339)."""


class CheckpointStatus(StatusModel):
    """One checkpoint."""

    uri: str
    """Folder of the checkpoint."""

    digest: str
    """SHA-256 of its manifest, which holds the checksum of every object."""

    step: Count
    """Optimizer steps done when it was taken."""

    samples: Count
    """Samples seen when it was taken."""

    attempt: Count = 0
    """Attempt that wrote it."""

    time: str = ""
    """When it was committed (RFC 3339)."""


class RejectedCheckpoint(StatusModel):
    """A checkpoint that did not verify when the run resumed."""

    uri: str
    """Folder of the checkpoint."""

    reason: str
    """What was wrong: the object, and what differed."""


class RestartRecord(StatusModel):
    """One worker failure, for the restart window."""

    pod: str
    """Name of the pod."""

    uid: str
    """UID of the pod, so that none is counted twice."""

    reason: str
    """Disrupted, Evicted, OOMKilled, Error, Deleted or NodeLost."""

    counted: bool
    """Whether it counts against restartPolicy.maxRestarts."""

    time: str
    """When it was seen (RFC 3339)."""

    exit_code: int | None = None
    """Exit code of the container, where it is known."""


class RestartsStatus(StatusModel):
    """Worker failures so far."""

    total: Count = 0
    """All worker failures since the run began."""

    counted: Count = 0
    """Those within the window that count against maxRestarts."""

    recent: list[RestartRecord] = Field(default_factory=list)
    """The newest 50 failures, and those that still count or whose pods are still there."""


class ShrinkStatus(StatusModel):
    """Set while the run trains with fewer workers than it may."""

    workers: Count
    """Worker count that the run was cut to."""

    time: str
    """When (RFC 3339)."""

    reason: str = ""
    """Why: what the scheduler said."""


class RunStatus(StatusModel):
    """Observed state of the run."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the manifest that this status speaks of."""

    phase: Phase | None = None
    """Pending, Suspended, Running, Evaluating, Succeeded or Failed."""

    message: str = ""
    """A sentence on the phase: what the run waits for, or why it failed, with the last lines of the log."""

    conditions: list[Condition] = Field(default_factory=list)
    """Conditions for programs."""

    attempt: Count = 0
    """Current attempt: one life of the worker group between two rendezvous."""

    workers: WorkersStatus = Field(default_factory=WorkersStatus)
    """Workers ready and desired."""

    shrunk: ShrinkStatus | None = None
    """Set while the run trains with fewer workers than it may."""

    progress: ProgressStatus = Field(default_factory=ProgressStatus)
    """Samples, steps, loss and speed."""

    last_checkpoint: CheckpointStatus | None = None
    """Newest committed checkpoint."""

    resumed_from: CheckpointStatus | None = None
    """Checkpoint from which the current attempt started."""

    rejected_checkpoints: list[RejectedCheckpoint] = Field(default_factory=list)
    """Checkpoints that did not verify at the last resume, newest first."""

    restarts: RestartsStatus = Field(default_factory=RestartsStatus)
    """Worker failures so far."""

    lost_steps: Count = 0
    """Steps that were trained and rolled back, over the whole run."""

    gpu_hours: float = 0.0
    """Processes times wall hours in which their pods ran."""

    active_seconds: float = 0.0
    """Wall seconds since the first worker ran, without the time in which the run was suspended."""

    accounted_time: str | None = None
    """Up to when gpuHours and activeSeconds are counted (RFC 3339)."""

    goodput: float | None = None
    """Share of the active seconds that went into steps which count, from 0 to 1."""

    evaluation: EvaluationStatus | None = None
    """The evaluation of the final checkpoint."""

    evaluations: list[EvaluationStatus] = Field(default_factory=list)
    """The last 16 evaluations beside training, oldest first; those of one checkpoint at a time."""

    evaluation_request: str = ""
    """Text of the annotation webssl.dev/evaluate that was taken up or refused last."""

    holds: list[CheckpointHold] = Field(default_factory=list)
    """Checkpoints that the trainer keeps for WebSSLEvaluations, or is asked to."""

    start_time: str | None = None
    """When the first worker ran (RFC 3339)."""

    training_completion_time: str | None = None
    """When training was done (RFC 3339)."""

    completion_time: str | None = None
    """When training and evaluation were done, or the run failed (RFC 3339)."""
