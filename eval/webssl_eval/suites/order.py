"""The order in which a head is shown images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray


def order_of(count: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Image numbers of one step after another, without end: each pass over the images is a new permutation."""
    generator = torch.Generator().manual_seed(seed)
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, torch.randperm(count, generator=generator).numpy()])
        yield waiting[:batch]
        waiting = waiting[batch:]
