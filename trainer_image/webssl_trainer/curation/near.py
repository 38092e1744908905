"""Pairs of 64-bit hashes that differ in few bits, without comparing all with all.

Of two hashes that differ in at most d bits, at least one of d + 1 bands of bits is equal in both. So for each band, hashes
are sorted by it, and each is compared with the next ones that have the same band. Where more than `WINDOW` share a band,
the rest of the bits decides who is near in the sort, and pairs farther apart than the window are not looked at: time is
linear in the number of hashes, times bands and window, whatever the data.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
WINDOW = 256
_BITS = 64


@dataclass(frozen=True)
class Pairs:
    """left, right: places of the hashes of each pair, int64 (P,). skipped: pairs of equal bands that were not compared."""

    left: I64
    right: I64
    skipped: int


def band_edges(distance: int) -> list[tuple[int, int]]:
    """(lowest bit, bits) of the distance + 1 bands."""
    edges = [_BITS * number // (distance + 1) for number in range(distance + 2)]
    return [(low, high - low) for low, high in itertools.pairwise(edges)]


def rolled(hashes: U64, low: int, bits: int) -> U64:
    """Hashes (N,) rotated so that the band of `bits` bits from bit `low` on leads."""
    left = _BITS - low - bits
    if left == 0:
        return hashes
    return (hashes << np.uint64(left)) | (hashes >> np.uint64(_BITS - left))


def near_in_band(leading: U64, bits: int, distance: int, window: int = WINDOW) -> Pairs:
    """Pairs of distinct places whose leading band is equal, at most `distance` bits apart.

    Args:
        leading: hashes with the band in their leading bits, (N,), in any order.
        bits: of the band.
        distance: most differing bits.
        window: each is compared with so many followers in the sort at most.
    """
    order = np.argsort(leading, kind="stable")
    ordered = leading[order]
    band = ordered >> np.uint64(_BITS - bits)
    left: list[I64] = []
    right: list[I64] = []
    starts = np.flatnonzero(np.concatenate(([True], band[1:] != band[:-1])))
    sizes = np.diff(np.append(starts, band.size)) if band.size else np.empty(0, dtype=np.int64)
    # places that still have a follower at the step, so that the work falls with the steps
    end = np.repeat(starts + sizes, sizes)
    at = np.arange(band.size)
    for step in range(1, window + 1):
        at = at[at + step < end[at]]
        if at.size == 0:
            break
        apart = np.bitwise_count(ordered[at] ^ ordered[at + step]) <= distance
        if apart.any():
            left.append(order[at[apart]])
            right.append(order[at[apart] + step])
    beyond = np.maximum(sizes - 1 - window, 0)
    skipped = int((beyond * (beyond + 1) // 2).sum())
    none = np.empty(0, dtype=np.int64)
    return Pairs(np.concatenate(left) if left else none, np.concatenate(right) if right else none, skipped)
