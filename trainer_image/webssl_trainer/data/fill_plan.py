"""Which windows a cache of blocks should hold, and whether reading blocks whole pays. Pure.

Each node uses of every block the share that its processes have of the batch, so blocks that N nodes read whole are read
N times for one use. That is no loss on one node, and nothing but loss on many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from webssl_trainer.data.mixture import CYCLE, MixtureOrder
from webssl_trainer.data.order import Order, SampleOrder
from webssl_trainer.data.read_ranges import window_positions

MOST_READ = 2.0
"""Most bytes read for a byte used: a sample's own request costs a machine about as much as twice its bytes in a long one."""
_UNIT = 1024


@dataclass(frozen=True)
class Window:
    """A window of one source.

    Attributes:
        first: number of the source's first sample among those of all sources.
        order: the source's order.
        place: a position of the source in the window.
        left: share of the window's positions that are still to come.
        until: global position from which on nobody needs the window.
    """

    first: int
    order: Order
    place: int
    left: float
    until: int


def windows_at(order: SampleOrder, position: int) -> tuple[list[Window], list[Window]]:
    """The windows that a position and its cycle lie in, and the windows that come next, one for each source."""
    now, ahead = [], []
    for source in _sources(order):
        # Within a cycle a source's places lie anywhere, so all windows of the cycle are in use; else there is one.
        place = position // source.cycle * source.share
        behind = place + source.share
        while place < behind:
            now.append(_window(source, place))
            place = window_positions(source.order, place).stop
        ahead.append(_window(source, place))
    return now, ahead


def time_of(position: int) -> int:
    """A position as a time of change of a file: rising, and small enough for every file system."""
    return -(-position // _UNIT)


def read_over_used(
    order: SampleOrder, span_bytes: int, used_bytes: int, world: int, local_world: int, chunk: int
) -> float:
    """Bytes that a node reads for each byte that it uses, if it reads blocks whole.

    Args:
        order: the order.
        span_bytes: bytes of the shards.
        used_bytes: bytes of the samples that are seen.
        world, local_world: processes in all, and on this node.
        chunk: a block is read in chunks of so many bytes, so on average half a chunk in vain at either end, unless a
            window is the whole epoch.
    """
    stride = span_bytes / max(1, order.size)
    ends = max(
        chunk / (source.order.block * stride)
        if source.order.size > source.order.block * source.order.window
        else 0
        for source in _sources(order)
    )
    return world / local_world * span_bytes / max(1, used_bytes) * (1 + ends)


def pays(factor: float, window: Window) -> bool:
    """Whether a window is worth its reads, with what is left of it."""
    return window.left > 0 and factor / window.left <= MOST_READ


@dataclass(frozen=True)
class _Source:
    """A source and its part in the positions: `share` of each `cycle` consecutive ones are its."""

    first: int
    order: Order
    share: int = 1
    cycle: int = 1


def _sources(order: SampleOrder) -> Iterator[_Source]:
    if isinstance(order, Order):
        yield _Source(0, order)
        return
    if not isinstance(order, MixtureOrder):
        raise TypeError(f"no windows are known of a {type(order).__name__}")
    first = 0
    for part, share in zip(order.orders, order.places, strict=True):
        yield _Source(first, part, share, CYCLE)
        first += part.size


def _window(source: _Source, place: int) -> Window:
    positions = window_positions(source.order, place)
    left = (positions.stop - place) / len(positions)
    until = -(-positions.stop // source.share) * source.cycle
    return Window(source.first, source.order, place, left, until)
