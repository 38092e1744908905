"""Every scheduled value as a pure function of the step.

The shapes and their end points are those of DINOv2: a linear warmup that reaches its end in its last step, then
half a cosine over the remaining steps; the final value holds from the last step of the schedule on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from webssl_trainer.errors import UserError


def cosine(step: int, total: int, start: float, end: float) -> float:
    """Half a cosine from start (step 0) to end (from step `total` on)."""
    if step >= total:
        return end
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / total))


def warmup(step: int, steps: int, start: float, end: float) -> float:
    """Straight line from start (step 0) to end (step steps - 1 and later)."""
    if step >= steps - 1:
        return end
    return start + (end - start) * step / (steps - 1)


def warmup_cosine(step: int, total: int, warmup_steps: int, peak: float, end: float) -> float:
    """Line from 0 to peak over warmup_steps, then half a cosine to end over the rest of total."""
    if step < warmup_steps:
        return warmup(step, warmup_steps, 0.0, peak)
    return cosine(step - warmup_steps, total - warmup_steps, peak, end)


@dataclass(frozen=True)
class OptimConfig:
    """AdamW and its schedules. Defaults: DINOv2's ViT-g/14 recipe with Web-DINO's learning rate.

    learning_rate: peak, for the run's global batch as it is (no hidden scaling). warmup_steps: steps of
    linear warmup. clip: largest gradient norm of each child of the trained module, None for no clipping.
    """

    learning_rate: float = 3.5e-4
    min_learning_rate: float = 1e-6
    warmup_steps: int = 0
    weight_decay: float = 0.04
    weight_decay_end: float = 0.2
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float | None = 3.0


@dataclass(frozen=True)
class Schedules:
    """Learning rate and weight decay over total_steps optimizer steps.

    Raises:
        UserError: the warmup does not fit into the run.
    """

    config: OptimConfig
    total_steps: int

    def __post_init__(self) -> None:
        if not 0 <= self.config.warmup_steps <= self.total_steps:
            raise UserError(
                f"warmup of {self.config.warmup_steps} steps does not fit into {self.total_steps} steps; "
                "shorten the warmup or train longer"
            )

    def learning_rate(self, step: int) -> float:
        """Learning rate at a 0-based step, before multipliers."""
        c = self.config
        return warmup_cosine(step, self.total_steps, c.warmup_steps, c.learning_rate, c.min_learning_rate)

    def weight_decay(self, step: int) -> float:
        """Weight decay at a 0-based step, before multipliers."""
        return cosine(step, self.total_steps, self.config.weight_decay, self.config.weight_decay_end)

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Set learning rate and weight decay of every group of an optimizer of `build_optimizer`."""
        learning_rate, weight_decay = self.learning_rate(step), self.weight_decay(step)
        for group in optimizer.param_groups:
            frozen = step < group["frozen_steps"]
            group["lr"] = 0.0 if frozen else learning_rate * group["lr_multiplier"]
            group["weight_decay"] = weight_decay * group["weight_decay_multiplier"]
