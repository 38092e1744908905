"""The order of samples: a pure function of (seed, position) in O(1) memory.

Within an epoch the samples are rotated by a drawn offset and cut into blocks of consecutive samples; the blocks
are permuted; runs of permuted blocks form windows; the samples of a window are permuted among themselves, so many
neighbours at a time as one request may bring. So a block's samples, which lie side by side in a shard, are used within
one window, while the window mixes blocks of the whole data set. Without neighbours a data set no larger than one window
is fully permuted.

The permutations are Feistel networks over a x b with modular addition in place of XOR, with cycle walking over
the few values past the end (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Round
keys and round functions are 64-bit mixes (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
_ROUNDS = 6
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROTATION, _BLOCKS, _WINDOW = np.uint64(1), np.uint64(2), np.uint64(3)


def mix(value: U64) -> U64:
    """SplitMix64's finaliser, element by element (a bijection on 64-bit integers)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return cast(U64, value ^ (value >> np.uint64(31)))


def keyed(*parts: U64 | np.uint64) -> U64:
    """64-bit key of several words, element by element."""
    key = np.zeros(1, dtype=np.uint64)
    for part in parts:
        key = mix((key + _GOLDEN) ^ np.asarray(part, dtype=np.uint64))
    return key


def _feistel(value: U64, key: U64, a: U64, b: U64) -> U64:
    """One pass of the network on `[0, a*b)`: value = left * b + right, left in [0, a), right in [0, b)."""
    left, right = value // b, value % b
    for number in range(0, _ROUNDS, 2):
        left = (left + keyed(key + np.uint64(number), right) % a) % a
        right = (right + keyed(key + np.uint64(number + 1), left) % b) % b
    return cast(U64, left * b + right)


def permute(value: U64, size: U64, key: U64) -> U64:
    """A keyed bijection of `[0, size)`, element by element; `size` and `key` may differ per element.

    Args:
        value: uint64 (N,), each below its size.
        size: uint64 (N,), at least 1, below 2**62.
        key: uint64 (N,); one bijection per (size, key).
    """
    a = np.ceil(np.sqrt(size.astype(np.float64))).astype(np.uint64)
    b = (size + a - np.uint64(1)) // a
    out = _feistel(value, key, a, b)
    # a * b exceeds size by less than a, so almost nothing walks, and each walk ends within its cycle.
    outside = np.flatnonzero(out >= size)
    while outside.size:
        out[outside] = _feistel(out[outside], key[outside], a[outside], b[outside])
        outside = outside[out[outside] >= size[outside]]
    return out


def permute_runs(value: U64, size: U64, key: U64, run: int) -> U64:
    """`permute`, `run` consecutive values at a time: they stay together and in their order. What is left over at the end stays there.

    Args:
        value, size, key: as `permute`.
        run: values that stay together.
    """
    if run == 1:
        return permute(value, size, key)
    length = np.uint64(run)
    whole, number, within = size // length, value // length, value % length
    most = np.maximum(whole, np.uint64(1))
    moved = permute(np.minimum(number, most - np.uint64(1)), most, key)
    return cast(U64, np.where(number < whole, moved * length + within, value))


class SampleOrder(Protocol):
    """Which sample each position of a run uses: one data set's order, or a mixture of several."""

    @property
    def size(self) -> int:
        """Number of samples."""
        ...

    @property
    def neighbours(self) -> int:
        """Samples that lie side by side and follow each other in the order, at most."""
        ...

    def samples_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples of positions: int64 (N,) -> int64 (N,) in `[0, size)`. Raises ValueError when one is negative."""
        ...

    def epochs_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Epoch (0-based) of each position in its data set."""
        ...

    def pool_of(self, position: int) -> tuple[int, int]:
        """The samples that may stand in at a position, as (first, count)."""
        ...


@dataclass(frozen=True)
class Order:
    """Which sample each position of a run uses. Every epoch is a permutation of `range(size)`, each another.

    All five numbers are part of a run's identity: change one, and the sequence is another.

    Attributes:
        seed: the run's data seed, taken modulo 2**64.
        size: number of samples in the data set (n).
        block: consecutive samples that stay together in a window.
        window: blocks in one window.
        neighbours: consecutive samples that follow each other in the order, too; divides `block`. At the end of an epoch
            fewer of them may be left.
    """

    seed: int
    size: int
    block: int = 16
    window: int = 1024
    neighbours: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.size < 2**62 or self.block < 1 or self.window < 1:
            raise ValueError(f"an order needs 1 <= size < 2**62, block >= 1 and window >= 1, not {self}")
        if self.neighbours < 1 or self.block % self.neighbours:
            raise ValueError(
                f"a block of {self.block} samples is not made of {self.neighbours} neighbours each"
            )

    def epoch_of(self, position: int) -> int:
        """Epoch (0-based) of a position."""
        return position // self.size

    def epochs_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """`epoch_of` of many positions."""
        return np.asarray(positions, dtype=np.int64) // self.size

    def pool_of(self, position: int) -> tuple[int, int]:  # noqa: ARG002 - a mixture needs it
        """The samples that may stand in at a position, as (first, count): all."""
        return 0, self.size

    def sample_at(self, position: int) -> int:
        """Index in `[0, size)` of the sample at a position (0-based, over the whole run)."""
        return int(self.samples_at(np.array([position], dtype=np.int64))[0])

    def samples_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """`sample_at` of many positions: int64 (N,) -> int64 (N,).

        Raises:
            ValueError: a position is negative.
        """
        positions = np.asarray(positions, dtype=np.int64)
        if positions.size == 0:
            return positions.copy()
        if positions.min() < 0:
            raise ValueError("positions start at 0")
        size = np.uint64(self.size)
        where = positions.astype(np.uint64)
        epoch, within = where // size, where % size
        seed = np.uint64(self.seed & (2**64 - 1))
        slot, place = self._slot_and_place(within, keyed(seed, _WINDOW, epoch))
        rotated = self._block_start(slot, keyed(seed, _BLOCKS, epoch)) + place
        rotation = keyed(seed, _ROTATION, epoch) % size
        return cast(NDArray[np.int64], ((rotated + rotation) % size).astype(np.int64))

    def block_starts(self, slots: U64, epoch: int) -> U64:
        """First sample of the blocks in slots (uint64 (N,), 0-based over the epoch); a block may go on at sample 0."""
        seed, size = np.uint64(self.seed & (2**64 - 1)), np.uint64(self.size)
        key = np.full(slots.shape, epoch, dtype=np.uint64)
        starts = self._block_start(slots, keyed(seed, _BLOCKS, key))
        return cast(U64, (starts + keyed(seed, _ROTATION, key) % size) % size)

    def _slot_and_place(self, within: U64, key: U64) -> tuple[U64, U64]:
        """Block slot and place in the block, after the permutation within the window."""
        block = np.uint64(self.block)
        window = block * np.uint64(self.window)
        whole = max(1, (self.size // self.block) // self.window)
        number = np.minimum(within // window, np.uint64(whole - 1))
        start = number * window
        # The last window takes what is left over, so that no window is small.
        length = np.where(number == np.uint64(whole - 1), np.uint64(self.size) - start, window)
        mixed = start + permute_runs(within - start, length, keyed(key, number), self.neighbours)
        return mixed // block, mixed % block

    def _block_start(self, slot: U64, key: U64) -> U64:
        """First sample of the block in a slot; the short last block, if any, keeps the last slot."""
        block = np.uint64(self.block)
        full = np.uint64(self.size // self.block)
        if full == 0:
            return slot * block
        moved = permute(np.minimum(slot, full - np.uint64(1)), np.full_like(slot, full), key)
        return cast(U64, np.where(slot < full, moved, slot) * block)
