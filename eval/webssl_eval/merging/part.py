"""Which part of a suite's questions a pod answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part `number` (from 0) of `count`."""

    number: int = 0
    count: int = 1

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether what cannot be divided belongs to it."""
        return self.number == 0

    @property
    def text(self) -> str:
        """The form used in names of folders."""
        return f"{self.number:03d}-of-{self.count:03d}"

    def of(self, items: Sequence[T]) -> tuple[T, ...]:
        """Its items: a run of neighbours. Every item is in exactly one part, and parts differ by one item at the most."""
        start, end = (len(items) * place // self.count for place in (self.number, self.number + 1))
        return tuple(items[start:end])


WHOLE = Part()
