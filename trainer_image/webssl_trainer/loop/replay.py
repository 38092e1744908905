"""Computes one step of a run again from the checkpoint before it, for debugging. Claims no attempt, writes no checkpoint.

A step is a function of the weights before it and of its positions, so the steps since the checkpoint are trained again in
one process, whatever number of processes trained them first: bit by bit with the same number of processes and the same
micro-batches on the same device, else up to the order of floating point sums.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from webssl_trainer.checkpoint.claims import Claim
from webssl_trainer.checkpoint.discovery import Survey, choose, effective_steps, survey, verify_objects
from webssl_trainer.checkpoint.identity import check_same, index_digest
from webssl_trainer.checkpoint.layout import IDENTITY_NAME
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.checkpoint.resume import Start
from webssl_trainer.checkpoint.steplog import Record, digest_text, tally
from webssl_trainer.config import TrainerConfig
from webssl_trainer.data import StepBatches
from webssl_trainer.errors import UserError
from webssl_trainer.loop.guard import FiniteGuard
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import Session, assemble
from webssl_trainer.loop.step import Measured, clip_and_measure, compute_gradients, update
from webssl_trainer.storage import Storage, join


@dataclass(frozen=True)
class Replayed:
    """One step, computed again.

    Attributes:
        step: its number, from 0.
        checkpoint: folder that the replay started from, "" for the initial weights.
        trained_again: steps between that checkpoint and this one.
        first, end: its positions, [first, end).
        samples: ids of its samples by position.
        digest: over positions and ids, as in the step log.
        losses, gradient_norms, learning_rate: see `Measured`.
        accepted: whether all was finite, so that a training run would use the gradient.
        not_finite_weights: parameters that held NaN or infinity before the step.
        not_finite_gradients: parameters whose gradient did, before clipping.
        logged: the record of the step in the run's step log; None when the steps that count do not reach it.
    """

    step: int
    checkpoint: str
    trained_again: int
    first: int
    end: int
    samples: list[str]
    digest: str
    losses: dict[str, float]
    gradient_norms: dict[str, float]
    learning_rate: float
    accepted: bool
    not_finite_weights: list[str]
    not_finite_gradients: list[str]
    logged: Record | None

    @property
    def same_samples(self) -> bool | None:
        """Whether the step log has the same samples; None when it has no record of the step."""
        return None if self.logged is None else self.logged["digest"] == self.digest

    def to_json(self) -> str:
        """All of it, and how far its loss is from the logged one."""
        apart = None if self.logged is None else self.losses["loss"] - float(self.logged["losses"]["loss"])
        return json.dumps({**asdict(self), "same_samples": self.same_samples, "loss_apart": apart}, indent=2)


def replay(config: TrainerConfig, storage: Storage, step: int, processes: Processes) -> Replayed:
    """Compute a step again.

    Args:
        config: the run's settings.
        storage: where its checkpoints and data are.
        step: the step, from 0.
        processes: this process, alone.

    Raises:
        UserError: there is no such step, or the checkpoints are of another run.
    """
    if not 0 <= step < config.total_steps:
        raise UserError(f"step {step} is not one of this run's: it has steps 0 to {config.total_steps - 1}")
    start = start_before(storage, config, step)
    session, guard = assemble(config, processes, storage, start), FiniteGuard()
    while True:
        stage = config.stage_at(session.step)
        with session.loader(stage) as loader:
            while session.step < config.stages[stage].end:
                batches = next(loader)
                if session.step == step:
                    return examine(session, batches)
                measured = clip_and_measure(session, compute_gradients(session, batches))
                update(session, guard.accept(measured.loss, measured.gradient_norm))
                session.step += 1


def start_before(storage: Storage, config: TrainerConfig, step: int) -> Start:
    """The newest checkpoint, in the order of a resume, from which a step is still to come; from scratch when there is none.

    Raises:
        UserError: it is of another run.
    """
    uri = config.checkpoint_uri
    found = survey(storage, uri)
    early = [item for item in found.ordered if item.manifest is not None and item.manifest.step <= step]

    def verify(candidate: Candidate) -> str | None:
        assert candidate.manifest is not None
        return verify_objects(storage, join(uri, candidate.key.path), candidate.manifest.objects)

    candidate = choose(Survey(early, found.listed), uri, verify).candidate
    claim = Claim(attempt=0, nonce="0" * 16, world_size=1)
    # A later checkpoint names the data index of this step too.
    named = candidate or next((item for item in found.ordered if item.manifest is not None), None)
    if named is None:
        return Start(claim, None, 0)
    where = join(uri, named.key.path)
    stored = storage.read(join(where, IDENTITY_NAME))
    check_same(stored, config.identity, where)
    began = None if named.manifest is None else named.manifest.started_from
    return Start(claim, candidate, 0, index_digest(stored), "" if began is None else began.digest)


def examine(session: Session, batches: StepBatches) -> Replayed:
    """Compute the session's present step without taking it, and look at everything it is made of."""
    start = session.start
    weights = _not_finite(session.objective.trained.named_parameters())
    terms = compute_gradients(session, batches)
    gradients = _not_finite(
        (name, parameter.grad) for name, parameter in session.objective.trained.named_parameters()
    )
    measured: Measured = clip_and_measure(session, terms)
    digest, samples = _samples(batches)
    return Replayed(
        step=session.step,
        checkpoint="" if start.candidate is None else start.candidate.key.path,
        trained_again=session.step - start.step,
        first=batches.first,
        end=batches.first + session.config.plan.global_batch,
        samples=samples,
        digest=digest,
        losses=dict(measured.losses),
        gradient_norms=dict(measured.gradient_norms),
        learning_rate=measured.learning_rate,
        accepted=FiniteGuard().accept(measured.loss, measured.gradient_norm),
        not_finite_weights=weights,
        not_finite_gradients=gradients,
        logged=_logged(session),
    )


def _not_finite(tensors: Iterable[tuple[str, Tensor | None]]) -> list[str]:
    return [name for name, value in tensors if value is not None and not bool(torch.isfinite(value).all())]


def _samples(batches: StepBatches) -> tuple[str, list[str]]:
    sums = [tally(batch.positions.tolist(), batch.sample_ids) for batch in batches.batches]
    digest = digest_text(sum(one for one, _ in sums), sum(two for _, two in sums))
    return digest, [sample for batch in batches.batches for sample in batch.sample_ids]


def _logged(session: Session) -> Record | None:
    """The step's record among the steps that count."""
    records = effective_steps(session.storage, session.config.checkpoint_uri)
    return next((record for record in records if record["step"] == session.step), None)
