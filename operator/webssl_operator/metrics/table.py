"""Every series of the operator: the collector fills it, the dashboard is drawn from it, and the manual prints it.

Labels are bounded: namespace and name of objects that exist, suites and metrics that their status names, and fixed words.
A score's `samples` has one value at a time: that of the newest checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PER_RUN = ("namespace", "run")
PER_CURATION = ("namespace", "curation")
PER_EVALUATION = ("namespace", "evaluation")


class Type(StrEnum):
    """Type of a series."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Series:
    """One metric. A counter's name ends in _total; a histogram has _bucket, _sum and _count."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()


RUNS = Series("webssl_runs", Type.GAUGE, "Runs by phase.", ("phase",))
RUN_INFO = Series(
    "webssl_run_info",
    Type.GAUGE,
    "1; joins a run's other series with its model size and objective.",
    (*PER_RUN, "model", "objective"),
)
RUN_PHASE = Series(
    "webssl_run_phase", Type.GAUGE, "1 for the phase in which the run is.", (*PER_RUN, "phase")
)
WORKERS_READY = Series("webssl_run_workers_ready", Type.GAUGE, "Workers whose pods run.", PER_RUN)
WORKERS_DESIRED = Series(
    "webssl_run_workers_desired", Type.GAUGE, "Workers that the operator asks for now.", PER_RUN
)
SAMPLES = Series("webssl_run_samples", Type.GAUGE, "Samples seen.", PER_RUN)
SAMPLES_TARGET = Series(
    "webssl_run_samples_target", Type.GAUGE, "Samples that the run will have seen at its end.", PER_RUN
)
STEP = Series("webssl_run_step", Type.GAUGE, "Optimizer steps done.", PER_RUN)
ATTEMPT = Series("webssl_run_attempt", Type.GAUGE, "Current attempt.", PER_RUN)
LOSS = Series("webssl_run_loss", Type.GAUGE, "Latest loss.", PER_RUN)
SPEED = Series("webssl_run_images_per_second", Type.GAUGE, "Images per second over all workers.", PER_RUN)
BROKEN = Series("webssl_run_broken_samples", Type.GAUGE, "Broken samples replaced in this attempt.", PER_RUN)
GOODPUT = Series(
    "webssl_run_goodput", Type.GAUGE, "Share of the active time in steps that count, 0 to 1.", PER_RUN
)
GPU_HOURS = Series(
    "webssl_run_gpu_hours_total",
    Type.COUNTER,
    "Processes times wall hours in which their pods ran.",
    PER_RUN,
)
LOST_STEPS = Series("webssl_run_lost_steps_total", Type.COUNTER, "Steps trained and rolled back.", PER_RUN)
RESTARTS = Series("webssl_run_restarts_total", Type.COUNTER, "Workers that failed or were lost.", PER_RUN)
CHECKPOINT_AGE = Series(
    "webssl_run_last_checkpoint_age_seconds",
    Type.GAUGE,
    "Seconds since the newest checkpoint was committed, while training.",
    PER_RUN,
)
CHECKPOINT_STEP = Series(
    "webssl_run_last_checkpoint_step", Type.GAUGE, "Step of the newest checkpoint.", PER_RUN
)
CHECKPOINTS_REJECTED = Series(
    "webssl_run_checkpoints_rejected",
    Type.GAUGE,
    "Checkpoints that did not verify at the last resume.",
    PER_RUN,
)
SCORE = Series(
    "webssl_run_evaluation_score",
    Type.GAUGE,
    "Score of a suite on the newest checkpoint that it has scored; the prior stands beside it.",
    (*PER_RUN, "suite", "metric", "samples"),
)
CURATIONS = Series("webssl_curations", Type.GAUGE, "Curation passes by phase.", ("phase",))
CURATION_PHASE = Series(
    "webssl_curation_phase", Type.GAUGE, "1 for the phase in which the pass is.", (*PER_CURATION, "phase")
)
CURATION_SAMPLES = Series("webssl_curation_samples", Type.GAUGE, "Samples scored.", PER_CURATION)
CURATION_ROWS = Series("webssl_curation_rows", Type.GAUGE, "Rows of the table written.", PER_CURATION)
CURATION_SHARDS = Series("webssl_curation_shards", Type.GAUGE, "Shards scored.", PER_CURATION)
CURATION_SHARDS_TARGET = Series(
    "webssl_curation_shards_target",
    Type.GAUGE,
    "Shards of the data set, as far as pods have counted.",
    PER_CURATION,
)
CURATION_FAILURES = Series(
    "webssl_curation_failures", Type.GAUGE, "Images without scores, by cause.", (*PER_CURATION, "cause")
)
CURATION_SPEED = Series(
    "webssl_curation_images_per_second", Type.GAUGE, "Images per second over all pods.", PER_CURATION
)
CURATION_RETRIES = Series(
    "webssl_curation_retries", Type.GAUGE, "Pods of the pass that failed and were tried again.", PER_CURATION
)
EVALUATIONS = Series(
    "webssl_evaluations", Type.GAUGE, "Evaluations of single checkpoints by phase.", ("phase",)
)
EVALUATION_PHASE = Series(
    "webssl_evaluation_phase",
    Type.GAUGE,
    "1 for the phase in which the evaluation is.",
    (*PER_EVALUATION, "phase"),
)
EVALUATION_SCORE = Series(
    "webssl_evaluation_score",
    Type.GAUGE,
    "Score of a suite; the prior stands beside it.",
    (*PER_EVALUATION, "suite", "metric"),
)
EVALUATION_QUESTIONS = Series(
    "webssl_evaluation_questions",
    Type.GAUGE,
    "Questions or test images of a suite; 0 until it is over.",
    (*PER_EVALUATION, "suite"),
)
EVALUATION_RETRIES = Series(
    "webssl_evaluation_retries",
    Type.GAUGE,
    "Pods of a suite that failed and were tried again.",
    (*PER_EVALUATION, "suite"),
)
RESTARTS_BY_REASON = Series(
    "webssl_operator_worker_losses_total",
    Type.COUNTER,
    "Workers that failed or were lost, seen by this operator process, by reason.",
    ("reason",),
)
PASS_SECONDS = Series(
    "webssl_operator_pass_seconds", Type.HISTOGRAM, "Wall seconds of one pass over an object."
)
PASS_ERRORS = Series(
    "webssl_operator_pass_errors_total", Type.COUNTER, "Passes that failed, by kind of error.", ("kind",)
)
QUEUE_DEPTH = Series("webssl_operator_queue_depth", Type.GAUGE, "Objects that wait for a pass.")
ACTIONS = Series("webssl_operator_actions_total", Type.COUNTER, "Actions carried out, by kind.", ("action",))
LEADING = Series("webssl_operator_leading", Type.GAUGE, "1 for the replica that leads.")
STALE = Series("webssl_operator_watch_stale", Type.GAUGE, "1 when a watch no longer brings changes.")

OF_RUNS: tuple[Series, ...] = (
    RUNS,
    RUN_INFO,
    RUN_PHASE,
    WORKERS_READY,
    WORKERS_DESIRED,
    SAMPLES,
    SAMPLES_TARGET,
    STEP,
    ATTEMPT,
    LOSS,
    SPEED,
    BROKEN,
    GOODPUT,
    GPU_HOURS,
    LOST_STEPS,
    RESTARTS,
    CHECKPOINT_AGE,
    CHECKPOINT_STEP,
    CHECKPOINTS_REJECTED,
    SCORE,
)
OF_CURATIONS: tuple[Series, ...] = (
    CURATIONS,
    CURATION_PHASE,
    CURATION_SAMPLES,
    CURATION_ROWS,
    CURATION_SHARDS,
    CURATION_SHARDS_TARGET,
    CURATION_FAILURES,
    CURATION_SPEED,
    CURATION_RETRIES,
)
OF_EVALUATIONS: tuple[Series, ...] = (
    EVALUATIONS,
    EVALUATION_PHASE,
    EVALUATION_SCORE,
    EVALUATION_QUESTIONS,
    EVALUATION_RETRIES,
)
OF_OPERATOR: tuple[Series, ...] = (
    RESTARTS_BY_REASON,
    PASS_SECONDS,
    PASS_ERRORS,
    QUEUE_DEPTH,
    ACTIONS,
    LEADING,
    STALE,
)
TABLE: tuple[Series, ...] = (*OF_RUNS, *OF_CURATIONS, *OF_EVALUATIONS, *OF_OPERATOR)
