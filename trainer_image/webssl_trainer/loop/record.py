"""The record of a step, for the step log and the log."""

from __future__ import annotations

import structlog

from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.data import StepBatches
from webssl_trainer.loop.session import Session
from webssl_trainer.loop.step import Measured

log = structlog.get_logger("webssl.loop")


def record_step(
    session: Session, batches: StepBatches, digest: str, measured: Measured, accepted: bool
) -> None:
    """Rank 0 keeps the record of the session's present step for the step log. All processes call it."""
    peers: Peers = session.processes.signals
    record = {
        "step": session.step,
        "first": batches.first,
        "end": batches.first + session.config.plan.global_batch,
        "digest": digest,
        "attempt": session.start.claim.attempt,
        "world_size": peers.world,
        "stage": session.config.stage_at(session.step),
        "losses": dict(measured.losses),
        "lr": measured.learning_rate,
        "grad_norm": measured.gradient_norm,
        "skipped": not accepted,
    }
    if session.config.log_sample_ids or not accepted:
        mine = [sample for batch in batches.batches for sample in batch.sample_ids]
        record["ids"] = [sample for part in peers.gather(mine) for sample in part]
    if peers.leads:
        session.steplog.append(record)
        if not accepted:
            log.warning("step.skipped", **record)
        log.info("step", step=session.step, loss=round(measured.loss, 6), first=batches.first, digest=digest)
