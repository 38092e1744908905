"""Several sources in one sequence, by weight: a pure function of (seed, position) in O(1) memory.

The positions are cut into cycles of 65,536. Every cycle gives each source its share of the places, to the nearest
place; a keyed permutation of the cycle says which. So the shares hold exactly over each cycle (a batch has them up
to the spread of a draw without replacement), the rank of a position within its source is a formula, and each source
goes through its own epochs in its own order, whatever the others do.

Where orders keep neighbours together, so does the cycle: places are given to sources in runs of as many, and a batch has
the shares up to the spread of a draw of runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.order import Order, keyed, permute_runs

CYCLE = 1 << 16
_MIXTURE, _SOURCE = np.uint64(5), np.uint64(6)
I64 = NDArray[np.int64]


def shares(weights: tuple[float, ...], cycle: int = CYCLE) -> tuple[int, ...]:
    """Places of each source in a cycle: the largest remainders are rounded up, and each has at least one.

    Raises:
        ValueError: no weight, more weights than places, or one that is not positive.
    """
    if not weights or len(weights) > cycle or min(weights) <= 0 or not np.isfinite(sum(weights)):
        raise ValueError(f"weights must be positive numbers, not {weights}")
    exact = np.array(weights, dtype=np.float64) / sum(weights) * cycle
    places = np.maximum(1, np.floor(exact)).astype(np.int64)
    # By remainder, then by number, so that the result does not depend on how a sort breaks ties.
    by_need = sorted(range(len(weights)), key=lambda at: (-(exact[at] - places[at]), at))
    left = cycle - int(places.sum())
    for at in by_need[: max(0, left)]:
        places[at] += 1
    for _ in range(max(0, -left)):
        places[int(places.argmax())] -= 1
    return tuple(places.tolist())


def source_seed(seed: int, number: int) -> int:
    """Seed of the order of source `number`, so that equal sources have different orders."""
    return int(keyed(np.uint64(seed & (2**64 - 1)), _SOURCE, np.uint64(number))[0])


@dataclass(frozen=True)
class MixtureOrder:
    """Which sample each position of a run uses, over several sources that are numbered one after the other.

    Attributes:
        seed: the run's data seed.
        orders: the order of each source; see `source_seed`.
        weights: of each source.
    """

    seed: int
    orders: tuple[Order, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.orders) != len(self.weights):
            raise ValueError(f"{len(self.orders)} sources have {len(self.weights)} weights")
        if CYCLE % self.neighbours:
            raise ValueError(f"{self.neighbours} neighbours are no power of two up to {CYCLE}")
        shares(self.weights, CYCLE // self.neighbours)

    @property
    def neighbours(self) -> int:
        """Places of a cycle that one source has side by side; what the numbers of the orders divide, all powers of two."""
        return max(order.neighbours for order in self.orders)

    @property
    def places(self) -> tuple[int, ...]:
        """Places of each source in a cycle."""
        run = self.neighbours
        return tuple(run * share for share in shares(self.weights, CYCLE // run))

    @property
    def size(self) -> int:
        """Samples of all sources together."""
        return sum(order.size for order in self.orders)

    def sources_at(self, positions: I64) -> tuple[I64, I64]:
        """Source of each position, and the rank of the position among those of its source: int64 (N,), (N,).

        Raises:
            ValueError: a position is negative.
        """
        positions = np.asarray(positions, dtype=np.int64)
        if positions.size and positions.min() < 0:
            raise ValueError("positions start at 0")
        places = np.array(self.places, dtype=np.int64)
        ends = np.cumsum(places)
        cycle, within = positions // CYCLE, (positions % CYCLE).astype(np.uint64)
        seed = np.uint64(self.seed & (2**64 - 1))
        key = keyed(seed, _MIXTURE, cycle.astype(np.uint64))
        slot = permute_runs(within, np.full_like(within, CYCLE), key, self.neighbours).astype(np.int64)
        source = np.searchsorted(ends, slot, side="right")
        return source, cycle * places[source] + slot - (ends - places)[source]

    def samples_at(self, positions: I64) -> I64:
        """Samples of positions, numbered over all sources in turn: int64 (N,) -> int64 (N,) in `[0, size)`.

        Raises:
            ValueError: a position is negative.
        """
        source, rank = self.sources_at(positions)
        out = np.empty(source.shape, dtype=np.int64)
        first = 0
        for number, order in enumerate(self.orders):
            mine = source == number
            out[mine] = first + order.samples_at(rank[mine])
            first += order.size
        return out

    def sample_at(self, position: int) -> int:
        """`samples_at` of one position."""
        return int(self.samples_at(np.array([position], dtype=np.int64))[0])

    def epochs_at(self, positions: I64) -> I64:
        """Epoch (0-based) of each position in its own source."""
        source, rank = self.sources_at(positions)
        sizes = np.array([order.size for order in self.orders], dtype=np.int64)
        return cast(I64, rank // sizes[source])

    def pool_of(self, position: int) -> tuple[int, int]:
        """The samples that may stand in at a position: those of its source, as (first, count)."""
        source = int(self.sources_at(np.array([position], dtype=np.int64))[0][0])
        return sum(order.size for order in self.orders[:source]), self.orders[source].size
