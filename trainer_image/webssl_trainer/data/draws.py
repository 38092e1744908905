"""Counter-based random draws: a function of (seed, position, purpose, index), never of a stream's history.

Source: Philox 4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) as in numpy.
Only raw uniform doubles are taken from numpy; everything else is computed here, so the draws do not depend
on numpy's distribution code.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_MASK64 = (1 << 64) - 1


class Purpose(IntEnum):
    """What a draw is for. Numbers are part of a run's identity: add new ones, never renumber."""

    CROP_GEOMETRY = 1
    PHOTOMETRIC = 2
    STAND_IN = 3
    BLOCK_MASK = 4
    DROP_PATH = 5
    TEXT = 6


def uniforms(seed: int, position: int, purpose: Purpose, count: int, index: int = 0) -> NDArray[np.float64]:
    """`count` doubles in [0, 1) for one position.

    Args:
        seed: the run's seed, taken modulo 2**64.
        position: global position of the sample in the run.
        purpose: what the draws are for; purposes are independent of each other.
        count: how many doubles.
        index: a second coordinate within the purpose (crop number, layer number, try).

    Returns:
        float64 array of shape (count,).
    """
    key = np.array([seed & _MASK64, position & _MASK64], dtype=np.uint64)
    counter = np.array([0, int(purpose), index, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter)).random(count)


def uniforms_for(
    seed: int, positions: Sequence[int] | NDArray[np.int64], purpose: Purpose, count: int, index: int = 0
) -> NDArray[np.float64]:
    """`uniforms` for several positions: float64 array of shape (len(positions), count)."""
    rows = [uniforms(seed, int(position), purpose, count, index) for position in positions]
    return np.stack(rows) if rows else np.empty((0, count))
