"""Which shards are whose: N ranges of neighbours whose numbers of samples differ by no more than a shard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shards_of(counts: NDArray[np.int64], number: int, ranges: int) -> range:
    """Shards of range `number` (0-based) of `ranges`: a shard belongs to the range in which its middle sample lies.

    Args:
        counts: samples of each shard, (N,).
        number, ranges: which range of how many.

    Raises:
        ValueError: there is no such range.
    """
    if not 0 <= number < ranges:
        raise ValueError(f"range {number} is outside [0, {ranges})")
    # an empty shard weighs a little, so that a data set of empty shards is cut up, too
    weights = counts.astype(np.float64) + 1e-3
    middles = np.cumsum(weights) - weights / 2
    edges = weights.sum() * np.arange(ranges + 1) / ranges
    first, behind = np.searchsorted(middles, edges[number : number + 2], side="left")
    return range(int(first), int(behind))
