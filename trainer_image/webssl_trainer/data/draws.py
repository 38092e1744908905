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
_MULTIPLIERS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))

U64 = NDArray[np.uint64]


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


def uniforms_of(seed: int, position: int, purpose: Purpose, count: int, indexes: int) -> NDArray[np.float64]:
    """`uniforms` of one position for the indexes 0 to `indexes` - 1, bit for bit, from one generator that skips ahead.

    Returns:
        float64 (indexes, count).
    """
    key = np.array([seed & _MASK64, position & _MASK64], dtype=np.uint64)
    source = np.random.Philox(key=key, counter=np.array([0, int(purpose), 0, 0], dtype=np.uint64))
    words = np.empty((indexes, count), dtype=np.uint64)
    to_next = (1 << 128) - (count + 3) // 4  # the index is the third word of the counter
    for index in range(indexes):
        words[index] = source.random_raw(count)
        source.advance(to_next)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniforms_for(
    seed: int,
    positions: Sequence[int] | NDArray[np.int64],
    purpose: Purpose,
    count: int,
    index: int | NDArray[np.int64] = 0,
) -> NDArray[np.float64]:
    """`uniforms` for several positions, bit for bit, without a generator for each.

    Args:
        seed, purpose, count: as `uniforms`.
        positions: (S,), any order.
        index: one for all, or (S,).

    Returns:
        float64 (S, count).
    """
    where = np.asarray(positions, dtype=np.int64).astype(np.uint64)
    blocks = -(-count // 4)
    shape = (len(where), blocks)
    counter = [  # numpy counts up before its first block
        np.broadcast_to(np.arange(1, 1 + blocks, dtype=np.uint64), shape),
        np.full(shape, int(purpose), dtype=np.uint64),
        np.broadcast_to(np.asarray(index, dtype=np.int64).astype(np.uint64).reshape(-1, 1), shape),
        np.zeros(shape, dtype=np.uint64),
    ]
    first = np.full(shape, seed & _MASK64, dtype=np.uint64)
    words = np.stack(_philox(counter, first, np.broadcast_to(where[:, None], shape)), axis=-1)
    high = words.reshape(len(where), 4 * blocks)[:, :count] >> np.uint64(11)
    return high.astype(np.float64) * 2.0**-53


def _philox(counter: list[U64], low_key: U64, high_key: U64) -> list[U64]:
    """Philox 4x64-10: four words for each counter and key."""
    a, b, c, d = counter
    with np.errstate(over="ignore"):
        for _ in range(10):
            high_a, low_a = _product(_MULTIPLIERS[0], a)
            high_c, low_c = _product(_MULTIPLIERS[1], c)
            a, b, c, d = high_c ^ b ^ low_key, low_c, high_a ^ d ^ high_key, low_a
            low_key, high_key = low_key + _WEYL[0], high_key + _WEYL[1]
    return [a, b, c, d]


def _product(factor: np.uint64, x: U64) -> tuple[U64, U64]:
    """High and low 64 bits of a product, of halves of 32 bits."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    f_high, f_low, x_high, x_low = factor >> half, factor & mask, x >> half, x & mask
    low, middle, other = f_low * x_low, f_high * x_low, f_low * x_high
    carry = ((low >> half) + (middle & mask) + (other & mask)) >> half
    return f_high * x_high + (middle >> half) + (other >> half) + carry, factor * x
