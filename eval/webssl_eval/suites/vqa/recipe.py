"""When which rows are learned from, and how fast. Pure: a function of the recipe and the step's number alone.

Source: Cambrian-1: AdamW, weight decay 0, cosine to 0 after a linear warm-up (6 % of the steps in stage 1, 3 % in stage 2).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

WARM_UP = {1: 0.06, 2: 0.03}
"""Share of the steps over which the rate rises, by stage."""


@dataclass(frozen=True)
class Recipe:
    """How one stage learns.

    Attributes:
        steps: optimizer steps.
        batch: rows per step, on all processes together.
        learning_rate: the peak.
        seed: of the order of rows.
        warm_up: share of the steps over which the rate rises.
    """

    steps: int
    batch: int
    learning_rate: float
    seed: int
    warm_up: float = WARM_UP[1]


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of step 0, 1, ..., steps - 1."""
    warm = math.ceil(recipe.warm_up * recipe.steps)
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.steps - warm)))


def rows_of(step: int, count: int, recipe: Recipe) -> list[int]:
    """Row numbers of a step, of `count` rows; each pass over the rows is a permutation of its own."""
    rows: list[int] = []
    at, end = step * recipe.batch, (step + 1) * recipe.batch
    while at < end:
        number, start = divmod(at, count)
        part = permutation(count, recipe.seed, number)[start : start + end - at]
        rows += part.tolist()
        at += len(part)
    return rows


def rows_seen(count: int, recipe: Recipe) -> NDArray[np.int64]:
    """The rows that come at all, in rising order."""
    if recipe.steps * recipe.batch >= count:
        return np.arange(count)
    return np.sort(permutation(count, recipe.seed, 0)[: recipe.steps * recipe.batch])


@lru_cache(maxsize=2)
def permutation(count: int, seed: int, number: int) -> NDArray[np.int64]:
    """The order of the rows in pass `number`, int64 (count,). Not to be written to."""
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    order: NDArray[np.int64] = torch.randperm(count, generator=generator).numpy()
    return order
