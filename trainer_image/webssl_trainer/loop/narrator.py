"""Tells the world what the loop does: report, metrics, progress file. Rank 0 of each pod leaves progress, rank 0 of all reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
import torch
from webssl_api.reports import TrainingReport, TrainingState
from webssl_api.status import CheckpointStatus

from webssl_trainer.checkpoint.discovery import checkpoint_status, status_of
from webssl_trainer.checkpoint.saver import SaveOutcome
from webssl_trainer.loop.pace import Pace
from webssl_trainer.loop.progress_file import write_progress
from webssl_trainer.loop.session import Session
from webssl_trainer.observe.counts import Counts
from webssl_trainer.observe.flops import peak_flops, step_flops, utilisation
from webssl_trainer.observe.metrics import TrainerMetrics
from webssl_trainer.reporting import Reporter

log = structlog.get_logger("webssl.loop")


@dataclass(frozen=True)
class StepFacts:
    """One finished step, as all processes know it. Sums over all processes where named total.

    seconds: of the step, on this process. parts: seconds by part, see `step_clock`; with the time since the step before.
    broken_by_cause: of total_broken, known on rank 0. counts: of all processes, in this attempt.
    """

    losses: Mapping[str, float]
    learning_rate: float
    gradient_norm: float
    accepted: bool
    total_broken: int
    seconds: float
    parts: Mapping[str, float]
    counts: Counts
    broken_by_cause: Mapping[str, int] = field(default_factory=dict)


class Narrator:
    """reporter and metrics are None on all processes but rank 0; progress is None on all but one process of a pod."""

    def __init__(
        self,
        session: Session,
        workers: int,
        reporter: Reporter | None,
        metrics: TrainerMetrics | None,
        progress: Path | None,
    ) -> None:
        self._session, self._workers = session, workers
        self._reporter, self._metrics, self._progress = reporter, metrics, progress
        self._pace = Pace()
        self._facts: StepFacts | None = None
        self._last: CheckpointStatus | None = None
        candidate = session.start.candidate
        self._resumed = None if candidate is None else status_of(candidate, session.config.checkpoint_uri)
        self._last = self._resumed
        name = torch.cuda.get_device_name() if session.processes.device.type == "cuda" else ""
        self._peak = peak_flops(name) * session.processes.peers.world
        if metrics is not None:
            metrics.attempt.set(session.start.claim.attempt)
            metrics.world_size.set(session.processes.peers.world)
            metrics.lost_steps.set(session.start.lost_steps)

    def stepped(self, facts: StepFacts, images: int) -> None:
        """A step is done; session.step already counts it."""
        session = self._session
        self._facts = facts
        self._pace.add(facts.seconds, images)
        if self._progress is not None:
            write_progress(self._progress, session.start.claim.attempt, session.step)
        if self._metrics is not None:
            self._measure(self._metrics, facts, images)
        self.report(TrainingState.TRAINING)

    def saved(self, outcome: SaveOutcome, stall: float) -> None:
        """A save has ended; stall: seconds that training waited for it."""
        done = outcome.manifest is not None
        if outcome.manifest is not None:
            self._last = checkpoint_status(
                outcome.order.key, outcome.manifest, self._session.config.checkpoint_uri
            )
        if self._metrics is not None:
            self._metrics.saves.labels("committed" if done else "failed").inc()
            self._metrics.stall_seconds.observe(stall)
            if done:
                self._metrics.save_seconds.observe(outcome.seconds)
        if self._session.processes.peers.leads:
            say = log.info if done else log.error
            say("checkpoint.committed" if done else "checkpoint.failed", path=outcome.order.key.path,
                step=outcome.order.key.step, seconds=round(outcome.seconds, 3), stall=round(stall, 3),
                problem=outcome.problem)  # fmt: skip

    def report(self, state: TrainingState, urgent: bool = False) -> None:
        """Hand in a report of the present state."""
        if self._reporter is None:
            return
        session, facts = self._session, self._facts
        loss = facts.losses["loss"] if facts is not None and facts.accepted else None
        pace = self._pace.images_per_second
        holding = None if session.saver.holds is None else session.saver.holds.now
        report = TrainingReport(
            attempt=session.start.claim.attempt,
            state=state,
            workers=self._workers,
            world_size=session.processes.peers.world,
            step=session.step,
            samples=session.step * session.config.plan.global_batch,
            loss=None if loss is None else round(loss, 6),
            images_per_second=None if pace is None else round(pace, 2),
            broken_samples=0 if facts is None else facts.total_broken,
            lost_steps=session.start.lost_steps,
            productive_seconds=round(session.productive_seconds, 3),
            last_checkpoint=self._last,
            resumed_from=self._resumed,
            rejected_checkpoints=session.start.claim.rejected,
            held_checkpoints=[] if holding is None else [*holding.told],
            refused_request=None if holding is None else holding.refused,
            time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        self._reporter.report(report, urgent)

    def deliver(self, timeout: float) -> bool:
        """Wait until the newest report has been left."""
        return self._reporter is None or self._reporter.flush(timeout)

    def _measure(self, metrics: TrainerMetrics, facts: StepFacts, images: int) -> None:
        session = self._session
        for part, seconds in facts.parts.items():
            metrics.part_seconds.labels(part).inc(seconds)
        metrics.step_seconds.observe(facts.seconds)
        metrics.images.inc(images)
        metrics.set_losses(facts.losses)
        metrics.learning_rate.set(facts.learning_rate)
        metrics.gradient_norm.set(facts.gradient_norm)
        metrics.step.set(session.step)
        metrics.samples.set(session.step * session.config.plan.global_batch)
        metrics.broken_samples.set(facts.total_broken)
        for cause, count in facts.broken_by_cause.items():
            metrics.broken_by_cause.labels(cause).set(count)
        metrics.set_counts(facts.counts)
        if not facts.accepted:
            metrics.skipped_steps.inc()
        pace = self._pace.images_per_second
        if pace is not None:
            metrics.images_per_second.set(pace)
            config = session.config
            crops = config.crops_of(config.stage_at(session.step - 1))
            whole, dropped = (
                f(config.vit, crops) for f in (config.objective.sample_flops, config.objective.dropped_flops)
            )
            for kind, flops in step_flops(whole, dropped).items():
                metrics.mfu.labels(kind).set(utilisation(flops, pace, self._peak))
