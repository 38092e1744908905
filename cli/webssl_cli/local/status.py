"""The status of a run on this machine, in the same form as that of a run on Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from webssl_api.status import (
    EvaluationStatus,
    Phase,
    ProgressStatus,
    RestartRecord,
    RestartsStatus,
    RunStatus,
    SuiteStatus,
    WorkersStatus,
)

if TYPE_CHECKING:
    from webssl_api import EvaluationReport, TrainingReport, WebSSLRunSpec

NEWEST = 50


@dataclass(frozen=True)
class Facts:
    """What the supervisor knows; times are POSIX seconds.

    Attributes:
        alive: worker processes that run.
        busy_seconds: sum over workers of the seconds in which their processes ran.
        failures: worker failures so far, oldest first.
        suites: phase, retries and message of each suite.
    """

    phase: Phase
    workers: int
    alive: int = 0
    started: float | None = None
    trained: float | None = None
    ended: float | None = None
    busy_seconds: float = 0.0
    failures: tuple[RestartRecord, ...] = ()
    suites: tuple[SuiteStatus, ...] = ()
    message: str = ""

    def with_(self, **changes: object) -> Facts:
        """The same facts, some of them changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def status_of(
    spec: WebSSLRunSpec,
    facts: Facts,
    report: TrainingReport | None,
    evaluations: Mapping[str, EvaluationReport],
    now: float,
) -> RunStatus:
    """The status that the operator would write for these facts and reports."""
    from webssl_api import TrainingReport

    report = report or TrainingReport()
    total = spec.schedule.total_samples
    last = report.last_checkpoint
    trained = facts.trained
    wall = (trained if trained is not None else now) - facts.started if facts.started is not None else 0.0
    return RunStatus(
        phase=facts.phase,
        message=facts.message,
        attempt=report.attempt,
        workers=WorkersStatus(
            ready=facts.alive, desired=facts.workers, summary=f"{facts.alive}/{facts.workers}"
        ),
        progress=ProgressStatus(
            samples=report.samples,
            total_samples=total,
            step=report.step,
            percent=min(100, 100 * report.samples // max(total, 1)),
            loss=report.loss,
            images_per_second=report.images_per_second,
            broken_samples=report.broken_samples,
            updated_time=report.time,
        ),
        last_checkpoint=last,
        resumed_from=report.resumed_from,
        rejected_checkpoints=report.rejected_checkpoints,
        restarts=RestartsStatus(
            total=len(facts.failures), counted=len(facts.failures), recent=list(facts.failures[-NEWEST:])
        ),
        lost_steps=report.lost_steps,
        gpu_hours=facts.busy_seconds * spec.workers.processes_per_worker / 3600,
        goodput=min(1.0, report.productive_seconds / wall) if wall > 0 else None,
        evaluation=_evaluation(facts.suites, evaluations, last.digest if last is not None else ""),
        start_time=rfc3339(facts.started),
        training_completion_time=rfc3339(trained),
        completion_time=rfc3339(facts.ended),
    )


def _evaluation(
    suites: Sequence[SuiteStatus], reports: Mapping[str, EvaluationReport], digest: str
) -> EvaluationStatus | None:
    if not suites:
        return None
    filled = [
        suite.model_copy(
            update={"scores": reports[suite.name].scores, "questions": reports[suite.name].questions}
        )
        if suite.name in reports
        else suite
        for suite in suites
    ]
    phases = {suite.phase for suite in suites}
    if "Failed" in phases:
        phase = "Failed"
    elif phases == {"Succeeded"}:
        phase = "Succeeded"
    else:
        phase = "Pending" if phases == {"Pending"} else "Running"
    return EvaluationStatus(phase=phase, checkpoint_digest=digest, suites=filled)


def rfc3339(seconds: float | None) -> str | None:
    """A POSIX time as Kubernetes writes times; None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
