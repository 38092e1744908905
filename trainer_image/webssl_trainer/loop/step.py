"""The parts of one optimizer step: gradients, what they measure, the update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from webssl_trainer.data import StepBatches
from webssl_trainer.loop.session import Session
from webssl_trainer.objectives import StepContext
from webssl_trainer.optim import clip_gradients


@dataclass(frozen=True)
class Measured:
    """A step's numbers, equal on all processes.

    losses: loss terms by name, `loss` their weighted sum. gradient_norms: L2 norms before clipping, by child of the trained module.
    """

    losses: Mapping[str, float]
    gradient_norms: Mapping[str, float]
    learning_rate: float

    @property
    def loss(self) -> float:
        """The loss that is minimised."""
        return self.losses["loss"]

    @property
    def gradient_norm(self) -> float:
        """L2 norm of the whole gradient before clipping."""
        return math.sqrt(sum(norm**2 for norm in self.gradient_norms.values()))


def context_of(session: Session) -> StepContext:
    """What the session's present step may depend on."""
    config = session.config
    return StepContext(
        step=session.step,
        total_steps=config.total_steps,
        seed=config.seed,
        global_batch_size=config.plan.global_batch,
        device=session.processes.device,
        group=session.processes.training,
    )


def compute_gradients(session: Session, batches: StepBatches) -> dict[str, Tensor]:
    """Leave the reduced, unclipped gradient of the present step in `.grad`; the loss terms, fp32 scalars on the device."""
    session.schedules.apply(session.optimizer, session.step)
    return session.objective.forward_backward(batches.batches, context_of(session))


def clip_and_measure(session: Session, terms: Mapping[str, Tensor]) -> Measured:
    """Clip the gradient and wait for the step's numbers, the one time in a step that the host waits for the device:
    whether the weights may move is decided on them."""
    norms = clip_gradients(session.objective.trained, session.config.optim.clip)
    numbers = torch.stack([value.float() for value in (*terms.values(), *norms.values())]).tolist()
    return Measured(
        losses=dict(zip(terms, numbers, strict=False)),
        gradient_norms=dict(zip(norms, numbers[len(terms) :], strict=True)),
        learning_rate=session.schedules.learning_rate(session.step),
    )


def update(session: Session, accepted: bool) -> None:
    """Move the weights, and what follows them, where the step is accepted; drop the gradient."""
    if accepted:
        session.optimizer.step()
        session.objective.after_optimizer_step(context_of(session))
    session.optimizer.zero_grad(set_to_none=True)
