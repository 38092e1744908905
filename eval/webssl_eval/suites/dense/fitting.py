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
    """steps: of AdamW. learning_rate: the peak. weight_decay: of all parameters. share: part of the peak by (step, steps)."""

    steps: int
    learning_rate: float
    weight_decay: float
    share: Callable[[int, int], float]


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
        optimizer.step()
        losses.append(float(output.detach()))
        progress(step + 1, recipe.steps)
    head.eval()
    return losses


def linear_decay(step: int, steps: int) -> float:
    """Linear warm-up over 1500 steps (a tenth of all, where that is less), then linear decay to 0."""
    warm = min(1500, math.ceil(steps / 10))
    return (step + 1) / warm if step < warm else 1 - step / steps


def third_then_cosine(step: int, steps: int) -> float:
    """Linear warm-up over a third of the steps, then cosine decay to 0."""
    warm = math.ceil(steps / 3)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
