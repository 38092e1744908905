"""Counter-based random numbers in NumPy, torch and plain Python; all three give the same bits.

A draw is a function of integers and of nothing else, so it does not depend on the number of processes, on
the composition of a batch or on what was drawn before. Each word is absorbed by one round of the SplitMix64
finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), a bijection of
64 bits with full avalanche.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_M1 = 0xBF58476D1CE4E5B9
_M2 = 0x94D049BB133111EB

IntLike = int | npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


class Purpose(IntEnum):
    """What a draw is for. The numbers are part of the meaning of a seed: never reuse or renumber one."""

    BLOCK_MASK = 1
    DROP_PATH = 2
    PARAMETER = 3
    RANDOM_MASK = 4


def bits(seed: int, position: IntLike, purpose: Purpose, *indices: IntLike) -> UInt64Array:
    """64 random bits for each broadcast combination of `position` and `indices`.

    Args:
        seed: seed of the run, taken modulo 2**64.
        position: global sample position, an int or int64 array.
        purpose: what the draw is for.
        indices: further coordinates (crop, layer, ...), ints or int64 arrays.

    Returns:
        uint64 array of the broadcast shape.
    """
    state = np.uint64(_absorb(_absorb(0, seed), int(purpose)))
    with np.errstate(over="ignore"):
        result: UInt64Array = np.asarray(state)
        for word in (position, *indices):
            result = _mix_numpy((result ^ np.asarray(word, np.int64).astype(np.uint64)) + np.uint64(_GAMMA))
    return result


def uniform(seed: int, position: IntLike, purpose: Purpose, *indices: IntLike) -> npt.NDArray[np.float64]:
    """Uniform float64 in [0, 1) for each broadcast combination of `position` and `indices` (53 bits each)."""
    high = bits(seed, position, purpose, *indices) >> np.uint64(11)
    return high.astype(np.float64) * 2.0**-53


def bits_torch(seed: int, position: Tensor, purpose: Purpose, *indices: Tensor | int) -> Tensor:
    """The same bits as `bits`, as int64 on the device of `position` (torch has no uint64 arithmetic)."""
    state = _signed(_absorb(_absorb(0, seed), int(purpose)))
    result = torch.full((), state, dtype=torch.int64, device=position.device)
    for word in (position, *indices):
        result = _mix_torch((result ^ word) + _signed(_GAMMA))
    return result


def uniform_torch(seed: int, position: Tensor, purpose: Purpose, *indices: Tensor | int) -> Tensor:
    """The same numbers as `uniform`: float64 in [0, 1) on the device of `position`."""
    return _shift_right(bits_torch(seed, position, purpose, *indices), 11).to(torch.float64) * 2.0**-53


class Stream:
    """A sequence of draws for decisions whose number is not known beforehand (rejection loops, crops).

    The n-th draw is `uniform(seed, position, purpose, *indices, n)`.
    """

    def __init__(self, seed: int, position: int, purpose: Purpose, *indices: int) -> None:
        state = _absorb(_absorb(0, seed), int(purpose))
        for word in (position, *indices):
            state = _absorb(state, word)
        self._state = state
        self._count = 0

    def bits(self) -> int:
        """The next 64 random bits as a non-negative int."""
        value = _absorb(self._state, self._count)
        self._count += 1
        return value

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """The next draw, uniform in [low, high)."""
        return low + (high - low) * (self.bits() >> 11) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """The next draw, an integer in [low, high]; both ends included.

        Raises:
            ValueError: the range is empty.
        """
        if high < low:
            raise ValueError(f"empty integer range [{low}, {high}]")
        # The bias of the multiplication is below span / 2**53, far from anything a training run can see.
        return low + int(self.uniform() * (high - low + 1))


def _absorb(state: int, word: int) -> int:
    return _mix(((state ^ (word & _MASK)) + _GAMMA) & _MASK)


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * _M1) & _MASK
    z = ((z ^ (z >> 27)) * _M2) & _MASK
    return z ^ (z >> 31)


def _mix_numpy(z: UInt64Array) -> UInt64Array:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_M1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_M2)
    return z ^ (z >> np.uint64(31))


def _mix_torch(z: Tensor) -> Tensor:
    z = (z ^ _shift_right(z, 30)) * _signed(_M1)
    z = (z ^ _shift_right(z, 27)) * _signed(_M2)
    return z ^ _shift_right(z, 31)


def _shift_right(z: Tensor, count: int) -> Tensor:
    """Logical shift: torch shifts int64 arithmetically, so the copies of the sign bit are cleared."""
    return (z >> count) & ((1 << (64 - count)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
