"""Trains an objective in one process by the trainer's own loader, optimizer and schedules."""

from __future__ import annotations

import sys

import torch
from webssl_trainer.data import BatchPlan, Loader, Order, load_or_build_index
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.optim import OptimConfig, Schedules, build_optimizer, clip_gradients
from webssl_trainer.storage import Storage

CPU = torch.device("cpu")
SEED = 0
CLIP = 3.0


def train(
    objective: Objective,
    storage: Storage,
    source: str,
    optim: OptimConfig,
    steps: int,
    batch: int,
    *,
    extras: tuple[str, ...] = (),
    say_every: int = 100,
) -> list[float]:
    """The loss of each step over the shards at `source`; every `say_every` steps it is also said.

    extras: members to read with each image, as in `Loader`.
    """
    index = load_or_build_index(storage, source)
    schedules = Schedules(optim, steps)
    optimizer = build_optimizer(objective.param_groups(), optim)
    losses = []
    with Loader(
        storage=storage,
        index=index,
        order=Order(SEED, len(index)),
        plan=BatchPlan(batch),
        crops=objective.crop_spec(),
        rank=0,
        world=1,
        seed=SEED,
        steps=steps,
        workers=1,
        extras=extras,
    ) as loader:
        for step, batches in enumerate(loader):
            context = StepContext(step, steps, SEED, batch, CPU)
            schedules.apply(optimizer, step)
            terms = objective.forward_backward(batches.batches, context)
            clip_gradients(objective.trained, CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            objective.after_optimizer_step(context)
            losses.append(float(terms["loss"]))
            if step % say_every == 0:
                sys.stderr.write(f"step {step}: loss {losses[-1]:.3f}\n")
    return losses
