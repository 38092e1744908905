"""What an arm reads, and how."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.data.recipes import Recipe

BATCH = 64
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
"""Decoding threads or processes of each loader."""
NEIGHBOURS = 16
"""Samples that a request brings: what a data set of more than 1 GiB has, with a global batch of 1,024 or more."""
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
