"""The training loop of one attempt: step, record, save on the way, stop at a step boundary, save at the end."""

from __future__ import annotations

import time

import structlog
from webssl_api import exit_codes
from webssl_api.reports import TrainingState

from webssl_trainer.checkpoint.saver import SaveOutcome
from webssl_trainer.data import BadDataError, Loader
from webssl_trainer.loop.agreement import agree
from webssl_trainer.loop.divergence import end_diverged, is_finite_beyond_the_end
from webssl_trainer.loop.guard import FiniteGuard
from webssl_trainer.loop.narrator import Narrator, StepFacts
from webssl_trainer.loop.pictures import Pictures
from webssl_trainer.loop.quarantine import Quarantine
from webssl_trainer.loop.record import record_step
from webssl_trainer.loop.session import Session
from webssl_trainer.loop.step import clip_and_measure, compute_gradients, update
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.observe import step_clock as parts
from webssl_trainer.observe.counts import Counts
from webssl_trainer.observe.profiler import StepProfiler
from webssl_trainer.observe.step_clock import StepClock

log = structlog.get_logger("webssl.loop")

_FINAL_TRIES = 5
_DELIVERY_SECONDS = 60.0


def quarantine_of(session: Session) -> Quarantine:
    """The quarantine report of an attempt."""
    return Quarantine(
        session.processes.signals, session.storage, session.config.checkpoint_uri, session.start.claim.key
    )


class TrainingLoop:
    """One attempt. All processes of the round run it in step; profiler and pictures look on."""

    def __init__(
        self,
        session: Session,
        narrator: Narrator,
        stop: StopRequest,
        guard: FiniteGuard | None = None,
        profiler: StepProfiler | None = None,
        pictures: Pictures | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._session, self._narrator, self._stop = session, narrator, stop
        self._guard = guard or FiniteGuard()
        self._profiler = profiler or StepProfiler()
        self._pictures = pictures or Pictures(session, wanted=False)
        self._quarantine = quarantine or quarantine_of(session)
        self._read_again = 0
        self._broken_before = 0
        self._total_broken = 0
        self._stalled = 0.0
        self._clock = StepClock()

    def run(self) -> int:
        """Train to the end or to a stop; the process's exit code.

        Raises what exits.exit_code_of knows: UserError, DivergedError, FencedError, StorageUnavailableError, errors of
        collectives.
        """
        session, config = self._session, self._session.config
        self._narrator.report(TrainingState.STARTING, urgent=True)
        while session.step < config.total_steps:
            stage = config.stage_at(session.step)
            log.info(
                "stage.started", stage=stage, step=session.step, resolution=config.stages[stage].global_size
            )
            with session.loader(stage) as loader:
                stopped = self._train_stage(loader, config.stages[stage].end)
            self._broken_before = self._total_broken
            if stopped:
                if self._guard.in_a_row == 0:
                    self._save_and_wait(final=False, tries=1)
                log.info("attempt.stopped", step=session.step)
                return exit_codes.RETRY
        return self._finish()

    def _train_stage(self, loader: Loader, end: int) -> bool:
        """Steps up to `end`; True when all processes agreed to stop before it."""
        session = self._session
        while session.step < end:
            with self._profiler.step(session.step):
                stopping = self._train_step(loader)
            if self._guard.has_diverged:
                self._collect(wait=True)
                end_diverged(session, self._guard.in_a_row)
            last = session.step == session.config.total_steps
            # A checkpoint amid skipped steps would hold weights that may be what makes them not finite.
            due = session.step % session.config.checkpoint_every == 0 and self._guard.in_a_row == 0
            self._clock.lap(parts.OTHER)
            if due and not last and not stopping:
                self._start_save(final=False)
            else:
                self._collect(wait=False)
            self._clock.lap(parts.CHECKPOINT)
            if stopping and not last:
                return True
        return False

    def _train_step(self, loader: Loader) -> bool:
        """One optimizer step; True when some process was asked to stop."""
        session, config, clock = self._session, self._session.config, self._clock
        began = clock.lap(parts.OTHER)
        try:
            batches = next(loader)
        except BadDataError as error:
            self._quarantine.ended(session.step, error)
            raise
        clock.lap(parts.DATA_WAIT)
        measured = clip_and_measure(session, compute_gradients(session, batches))
        clock.lap(parts.FORWARD_BACKWARD)
        accepted = self._guard.accept(measured.loss, measured.gradient_norm)
        update(session, accepted)
        clock.lap(parts.OPTIMIZER)
        self._read_again += sum(batch.read_again for batch in batches.batches)
        counts = Counts.of(session.storage, loader.counters, self._read_again)
        signals = session.processes.signals
        agreed = agree(signals, self._stop.requested, batches, loader.counters.broken, counts.flat())
        broken = self._broken_before + agreed.broken
        self._quarantine.stepped(session.step, batches, some=broken > self._total_broken)
        clock.lap(parts.COMMUNICATION)
        self._total_broken = broken
        record_step(session, batches, agreed.digest, measured, accepted)
        seconds = clock.lap(parts.OTHER) - began
        session.step += 1
        session.productive_seconds += seconds
        facts = StepFacts(
            losses=measured.losses,
            learning_rate=measured.learning_rate,
            gradient_norm=measured.gradient_norm,
            accepted=accepted,
            total_broken=self._total_broken,
            broken_by_cause=self._quarantine.by_cause,
            seconds=seconds,
            parts=clock.take(),
            counts=counts.with_values(agreed.counts),
        )
        self._narrator.stepped(facts, config.plan.global_batch)
        return agreed.stop

    # -- saves -----------------------------------------------------------------------------------------------------

    def _start_save(self, final: bool) -> None:
        """Copy the state and go on; waits first for the save before."""
        began = time.monotonic()
        self._collect(wait=True)
        session = self._session
        self._pictures.saving(final)
        session.saver.start(session.state(), session.save_order(final))
        self._stalled = time.monotonic() - began

    def _collect(self, wait: bool) -> SaveOutcome | None:
        outcome = self._session.saver.collect(wait)
        if outcome is None:
            return None
        session, order = self._session, outcome.order
        if outcome.manifest is not None:
            session.saved_step, session.parent = order.key.step, outcome.manifest.digest
            if order.log is not None:
                session.steplog.committed(order.log)
            self._pictures.committed(order)
        self._narrator.saved(outcome, self._stalled)
        return outcome

    def _save_and_wait(self, final: bool, tries: int) -> bool:
        """Save the present step unless it is saved; True when it is."""
        session = self._session
        self._collect(wait=True)
        for _ in range(tries):
            if session.saved_step == session.step and not final:
                return True
            self._narrator.report(TrainingState.SAVING, urgent=True)
            self._start_save(final)
            outcome = self._collect(wait=True)
            if outcome is not None and outcome.manifest is not None:
                return True
        return False

    def _finish(self) -> int:
        """Commit the final checkpoint and deliver the last report."""
        manifest = self._session.start.manifest
        if self._guard.in_a_row and not is_finite_beyond_the_end(self._session):
            self._collect(wait=True)
            end_diverged(self._session, self._guard.in_a_row)
        already = manifest is not None and manifest.final and self._session.saved_step == self._session.step
        if not already and not self._save_and_wait(final=True, tries=_FINAL_TRIES):
            log.error("run.final_checkpoint_failed", step=self._session.step)
            return exit_codes.RETRY
        self._narrator.report(TrainingState.COMPLETED, urgent=True)
        if not self._narrator.deliver(_DELIVERY_SECONDS):
            log.error("run.report_not_delivered", seconds=_DELIVERY_SECONDS)
            return exit_codes.RETRY
        self._session.processes.signals.barrier()
        log.info("run.completed", step=self._session.step)
        return exit_codes.COMPLETE
