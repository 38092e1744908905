"""What an arm reads, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.data.recipes import Recipe

BATCH, WORKERS = 64, 2
Batches = Iterable[Any]


@dataclass(frozen=True)
class Task:
    """What an arm reads.

    Attributes:
        bucket: where.
        samples: how many there are.
        crops, recipe: see `recipes`.
        first: the sample to go on from.
        images: how many to read; only own arms can read fewer than all.
    """

    bucket: str
    samples: int
    crops: str
    recipe: Recipe
    first: int
    images: int
