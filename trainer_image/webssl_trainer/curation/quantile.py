"""Exact thresholds over any number of values in memory that does not grow with it.

The bits of a float32 that is not negative order as the number does. So the upper 16 bits are counted first, and then,
within the one of their values that holds the threshold, the lower 16: 65,536 counters at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Read = Callable[[], Iterator[F32]]
_HALF = 1 << 16


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it keeps: `kept` of `total` values are at or above `value`."""

    value: float
    kept: int
    total: int


def threshold_for(read: Read, share: float, total: int) -> Threshold:
    """The lowest positive threshold that keeps at most a share of all values. Equal values are kept or dropped together.

    Args:
        read: gives the values, float32 without NaN and not negative, in pieces; called three times.
        share: of `total` that may be kept, from 0 to 1.
        total: how many things there are; those without a value are never kept.

    Returns:
        The threshold; its value is the largest float32 when not even the largest value may be kept.
    """
    most = int(share * total)
    above = _at_or_above(_counted(read, lambda bits: bits >> 16))
    whole = _first(above, most)
    cut = whole << 16
    if whole:
        # of the values just below, whose upper half is one less, some may be kept, too
        behind = int(above[whole]) if whole < _HALF else 0
        lower = _counted(read, lambda bits: (bits & 0xFFFF)[bits >> 16 == whole - 1])
        cut -= _HALF - _first(behind + _at_or_above(lower), most)
    kept, least = 0, np.finfo(np.float32).max
    for values in read():
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
        chosen = values[(values > 0) & (bits >= cut)]
        kept += chosen.size
        least = min(least, chosen.min(initial=least))
    return Threshold(float(least), kept, total)


def _first(above: NDArray[np.int64], most: int) -> int:
    """The first place from which on at most `most` are counted; the number of places when there is none."""
    return int(np.argmax(above <= most)) if above[-1] <= most else above.size


def _counted(read: Read, half: Callable[[NDArray[np.uint32]], NDArray[Any]]) -> NDArray[np.int64]:
    counts = np.zeros(_HALF, dtype=np.int64)
    for values in read():
        bits = np.ascontiguousarray(values[values > 0], dtype=np.float32).view(np.uint32)
        counts += np.bincount(half(bits), minlength=_HALF)
    return counts


def _at_or_above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = counts[::-1].cumsum()[::-1]
    return found
