"""Connected components, of graphs and of masks, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


def lowest_connected(count: int, left: I64, right: I64) -> I64:
    """The lowest node that each node is connected to: edges (E,) and (E,) between nodes 0 to count-1 -> int64 (count,).

    Roots are hung below the lowest root that an edge shows, then paths are halved until they are flat; rounds are
    logarithmic in the size of a component for all but contrived orders of nodes.
    """
    label = np.arange(count, dtype=np.int64)
    while True:
        a, b = label[left], label[right]
        if np.array_equal(a, b):
            return label
        low = np.minimum(a, b)
        np.minimum.at(label, a, low)
        np.minimum.at(label, b, low)
        while True:
            shorter = label[label]
            if np.array_equal(shorter, label):
                break
            label = shorter


@dataclass(frozen=True)
class Blobs:
    """Connected components of a mask, each an entry of all arrays (N,).

    Attributes:
        area: pixels.
        width, height: of the upright bounding box, in pixels.
        mean: mean of the values over its pixels.
    """

    area: F64
    width: F64
    height: F64
    mean: F64

    def __len__(self) -> int:
        return int(self.area.size)

    def only(self, chosen: NDArray[np.bool_]) -> Blobs:
        """The chosen ones."""
        return Blobs(self.area[chosen], self.width[chosen], self.height[chosen], self.mean[chosen])


def blobs(values: NDArray[np.float32], threshold: float) -> Blobs:
    """Components (8 neighbours) of the pixels above a threshold.

    Rows are cut into runs of such pixels, and runs of neighbouring rows that touch are joined.

    Args:
        values: (H, W).
        threshold: pixels above it belong to a component.
    """
    height, width = values.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = values > threshold
    change = np.diff(padded, axis=1).reshape(-1)
    step = width + 1
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    if starts.size == 0:
        none = np.empty(0, dtype=np.float64)
        return Blobs(none, none, none, none)
    # Runs of the row above that touch [start, end) by a corner or more: they end at or behind start, and begin at or before end.
    first = np.searchsorted(ends, starts - step, side="left")
    behind = np.searchsorted(starts, ends - step, side="right")
    touching = np.maximum(behind - first, 0)
    lower = np.repeat(np.arange(starts.size), touching)
    upper = (
        np.arange(lower.size)
        - np.repeat(np.cumsum(touching) - touching, touching)
        + np.repeat(first, touching)
    )
    _, label = np.unique(lowest_connected(starts.size, lower, upper), return_inverse=True)
    row, left, right = starts // step, starts % step, ends % step
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    area: F64 = np.bincount(label, weights=right - left).astype(np.float64)
    total = np.bincount(label, weights=sums[row * width + right] - sums[row * width + left])
    return Blobs(
        area,
        _spread(label, left, right, area.size),
        _spread(label, row, row + 1, area.size),
        total / area,
    )


def _spread(label: I64, low: I64, high: I64, count: int) -> F64:
    least = np.full(count, np.iinfo(np.int64).max)
    most = np.zeros(count, dtype=np.int64)
    np.minimum.at(least, label, low)
    np.maximum.at(most, label, high)
    found: F64 = (most - least).astype(np.float64)
    return found
