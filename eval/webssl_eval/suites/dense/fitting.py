"""Training a dense head with AdamW on batches of features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from webssl_eval.suites.dense.batches import Batches

Loss = Callable[[Tensor, Tensor, int], Tensor]
"""From the head's output (B, K, R, C), the values int64 (B, S, S) and the step to a number."""


@dataclass(frozen=True)
class Recipe:
    """steps: of AdamW. learning_rate: before the schedule. weight_decay: of all parameters. share: part of the rate by
    (step, steps). clip: largest L2 norm of all gradients together, None for no clipping."""

    steps: int
    learning_rate: float
    weight_decay: float
    share: Callable[[int, int], float]
    clip: float | None = None


def fit(
    head: nn.Module,
    batches: Batches,
    loss: Loss,
    recipe: Recipe,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> list[float]:
    """Train in place; the loss of every step."""
    head.train()
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    losses: list[float] = []
    for step in range(recipe.steps):
        features, values = next(batches)
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * recipe.share(step, recipe.steps)
        output = loss(head(features.to(device)), values.to(device), step)
        optimizer.zero_grad(set_to_none=True)
        output.backward()  # type: ignore[no-untyped-call]
        if recipe.clip is not None:
            nn.utils.clip_grad_norm_(head.parameters(), recipe.clip)
        optimizer.step()
        losses.append(float(output.detach()))
        progress(step + 1, recipe.steps)
    head.eval()
    return losses


def linear_decay(step: int, steps: int) -> float:
    """Linear decay to 0 over all steps, times a linear warm-up over 1500 of them (a tenth of all, where that is less).

    Source: DINOv2's settings of ADE20K (`poly` of power 1 in mmcv, whose warm-up is a factor on the decay).
    """
    return _warm(step, min(1500, math.ceil(steps / 10))) * (1 - step / steps)


def warm_third_of_cosine(step: int, steps: int) -> float:
    """Half a cosine to 0 over all steps, times a linear warm-up over a third of them: the peak is at 3/4 of the rate.

    Source: DINOv2's settings of NYUv2 (`CosineAnnealing` in mmcv, whose warm-up is a factor on the decay).
    """
    return _warm(step, math.ceil(steps / 3)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _warm(step: int, warm: int) -> float:
    return min(1.0, (step + 1) / warm)
