"""Orders whose blocks are sequential reads of 8 to 16 MB, and the reads of a window.

A storage gives its full rate only to long reads, and a sample is 10 to 500 KB. So a block is as many samples as lie
in 9 MB of the shards, and a window has 2,048 blocks: what is near in time comes from 2,048 places of the data set. More
places would mix finely sorted data better, and each costs a group of the index in memory (50 KB and more).
A process reads its own samples; a cache on a local disk takes the blocks whole (`filling.py`).

In a block, neighbours that are 1 MiB together follow each other in the order: one request brings them, at a fourth of the processor
time of as many requests, and at their price and rate. A batch meets fewer places for it, so a large batch has them, and a
small one has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.fetch import MAX_GAP
from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.order import Order
from webssl_trainer.storage import ByteRange

TARGET = 9 << 20
SMALLEST, LARGEST = 8 << 20, 16 << 20
_WINDOW_BLOCKS = 2048
_WINDOW_SAMPLES = 16 * 1024
_MOST = 4096
_READ = 5 << 18
_MOST_NEIGHBOURS = 16
_LEAST_PLACES = 64
_SMALL = 1 << 30


def suited_neighbours(span: int, samples: int, seen: int, global_batch: int | None) -> int:
    """How many neighbours a request should bring: what is about 1 MiB, a power of two up to 16.

    One where there is nothing to gain, since no request can bring two (a filter leaves gaps between the samples that are
    seen), and where the data are small (1 GiB), so that mixing counts for more; and a batch meets 64 places at least.

    Args:
        span: bytes of the shards.
        samples, seen: how many there are, and how many of them are seen.
        global_batch: samples of a step; None where it is large.
    """
    most = _MOST_NEIGHBOURS if global_batch is None else global_batch // _LEAST_PLACES
    gap = span / seen - span / samples
    most = min(most, _MOST_NEIGHBOURS, int(_READ * seen / span)) if span > _SMALL and gap <= MAX_GAP else 1
    return 1 << (max(1, most).bit_length() - 1)


def suited(seed: int, size: int, stride: float, neighbours: int = 1, target: int = TARGET) -> Order:
    """An order with blocks of about `target` bytes.

    Args:
        seed, size, neighbours: see `Order`.
        stride: bytes of the shards from one sample to the next that is seen, on average.
        target: bytes of a block.

    Returns:
        Blocks of 1 to 4,096 samples (fewer bytes where samples are smaller than 2.3 KB), windows of at least 2,048
        blocks and 16,384 samples. Part of a run's identity, so the numbers must be pinned, not derived again.
    """
    block = neighbours * max(1, round(min(_MOST, target / max(stride, 1.0)) / neighbours))
    window = max(_WINDOW_BLOCKS, -(-_WINDOW_SAMPLES // block))
    return Order(seed=seed, size=size, block=block, window=window, neighbours=neighbours)


def window_positions(order: Order, position: int) -> range:
    """The positions of the window that a position lies in; all of them use the samples of the same blocks."""
    epoch, within = divmod(position, order.size)
    length = order.block * order.window
    whole = max(1, (order.size // order.block) // order.window)
    number = min(within // length, whole - 1)
    start = epoch * order.size + number * length
    return range(start, (epoch + 1) * order.size if number == whole - 1 else start + length)


def window_blocks(order: Order, position: int) -> list[range]:
    """The samples of the window of a position, block by block; a block around the end of the data comes as two."""
    positions = window_positions(order, position)
    first, last = positions.start % order.size, (positions.stop - 1) % order.size
    slots = np.arange(first // order.block, last // order.block + 1, dtype=np.uint64)
    starts = order.block_starts(slots, order.epoch_of(position))
    blocks: list[range] = []
    for slot, start in zip(slots.tolist(), starts.tolist(), strict=True):
        end = start + min(order.block, order.size - slot * order.block)
        blocks.append(range(start, min(end, order.size)))
        if end > order.size:
            blocks.append(range(end - order.size))
    return blocks


def block_reads(
    index: DataIndex,
    blocks: Sequence[range],
    shard_ends: NDArray[np.int64] | None = None,
    largest: int = LARGEST,
) -> list[ByteRange]:
    """Sequential reads that hold the images of consecutive samples: one for each block and shard, at most `largest` bytes.

    What lies between the images, other members say, is part of them.

    Args:
        index: where samples lie.
        blocks: consecutive samples each.
        shard_ends: sums of `index.shard_counts`, if the caller has them.
        largest: bytes of a read.
    """
    ends = np.cumsum(index.shard_counts) if shard_ends is None else shard_ends
    pieces: list[tuple[int, int]] = []
    for block in blocks:
        at = block.start
        while at < block.stop:
            stop = min(block.stop, int(ends[np.searchsorted(ends, at, side="right")]))
            pieces.append((at, stop - 1))
            at = stop
    refs = index.locate_all([number for piece in pieces for number in piece])
    reads: list[ByteRange] = []
    for first, last in zip(refs[::2], refs[1::2], strict=True):
        end = last.offset + last.length
        reads += [
            ByteRange(first.shard, start, min(end, start + largest))
            for start in range(first.offset, end, largest)
        ]
    return reads


def window_reads(order: Order, index: DataIndex, position: int, largest: int = LARGEST) -> list[ByteRange]:
    """`block_reads` of all blocks of the window of a position."""
    return block_reads(index, window_blocks(order, position), None, largest)
