"""A run whose final checkpoint is committed is complete, whoever finds out: the last report must be there before a pod ends well."""

from __future__ import annotations

import structlog
from webssl_api.reports import TrainingReport, TrainingState

from webssl_trainer.checkpoint.discovery import final_checkpoint, status_of
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.config import TrainerConfig
from webssl_trainer.reporting import BackgroundReporter, Sink
from webssl_trainer.reporting.reporter import last_report
from webssl_trainer.storage import Storage

log = structlog.get_logger("webssl.launch")


def find_completion(storage: Storage, config: TrainerConfig) -> Candidate | None:
    """The run's final checkpoint, None when training is not complete."""
    return final_checkpoint(storage, config.checkpoint_uri)


def completed_report(candidate: Candidate, uri: str, before: TrainingReport | None) -> TrainingReport:
    """The report of a complete run: the last one, corrected by the final checkpoint. Pure."""
    assert candidate.manifest is not None
    manifest = candidate.manifest
    return (before or TrainingReport()).model_copy(
        update={
            "attempt": manifest.attempt,
            "state": TrainingState.COMPLETED,
            "world_size": manifest.world_size,
            "step": manifest.step,
            "samples": manifest.samples,
            "lost_steps": manifest.lost_steps,
            "productive_seconds": manifest.productive_seconds,
            "last_checkpoint": status_of(candidate, uri),
            "time": manifest.time,
        }
    )


def deliver_completion(sink: Sink, candidate: Candidate, uri: str, timeout: float) -> bool:
    """Make sure the sink says that the run is complete; False when that did not work within `timeout` seconds."""
    before = last_report(sink)
    wanted = completed_report(candidate, uri, before)
    if (
        before is not None
        and before.state is TrainingState.COMPLETED
        and before.last_checkpoint == wanted.last_checkpoint
    ):
        return True
    reporter = BackgroundReporter(sink)
    reporter.report(wanted, urgent=True)
    return reporter.flush(timeout)
