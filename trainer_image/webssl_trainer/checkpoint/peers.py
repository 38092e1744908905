"""The processes that save and load together: the few collectives that checkpoints need, over CPU objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class Peers:
    """rank and world of this process; group: a gloo group of its own (saves run beside training), None for a single process."""

    rank: int = 0
    world: int = 1
    group: dist.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process is rank 0."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """Everybody's value, by rank, on everybody."""
        if self.group is None:
            return [value]
        values = [value] * self.world
        dist.all_gather_object(values, value, group=self.group)
        return values

    def from_leader(self, value: T) -> T:
        """Rank 0's value, on everybody."""
        if self.group is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self.group)
        return box[0]

    def led(self, action: Callable[[], T]) -> T:
        """What rank 0's `action` gives, on everybody. An error ends rank 0, and the others with it: they lose their peer."""
        return self.from_leader(action() if self.leads else cast(T, None))

    def barrier(self) -> None:
        """Wait for everybody."""
        if self.group is not None:
            dist.barrier(group=self.group)
