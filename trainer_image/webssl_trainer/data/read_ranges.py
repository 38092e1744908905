"""Orders whose blocks are sequential reads of 8 to 16 MB, and the reads of a window.

A storage gives its full rate only to long reads, and a sample is 10 to 500 KB. So a block is as many samples as lie
in 12 MB of the shards, and a window has 1,024 blocks: what is near in time comes from 1,024 places of the data set.
The loader reads each process's own samples; a cache that several processes share reads these ranges whole.
"""

from __future__ import annotations

import numpy as np

from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.order import Order
from webssl_trainer.storage import ByteRange

TARGET = 12 << 20
SMALLEST, LARGEST = 8 << 20, 16 << 20
_WINDOW_BLOCKS = 1024
_WINDOW_SAMPLES = 16 * 1024
_MOST = 4096


def suited(seed: int, size: int, stride: float, target: int = TARGET) -> Order:
    """An order with blocks of about `target` bytes.

    Args:
        seed, size: see `Order`.
        stride: bytes of the shards from one sample to the next that is seen, on average.
        target: bytes of a block.

    Returns:
        Blocks of 1 to 4,096 samples (fewer bytes where samples are smaller than 3 KB), windows of at least 1,024
        blocks and 16,384 samples. Part of a run's identity, so the numbers must be pinned, not derived again.
    """
    block = max(1, min(_MOST, round(target / max(stride, 1.0))))
    return Order(seed=seed, size=size, block=block, window=max(_WINDOW_BLOCKS, _WINDOW_SAMPLES // block))


def window_positions(order: Order, position: int) -> range:
    """The positions of the window that a position lies in; all of them use the samples of the same blocks."""
    epoch, within = divmod(position, order.size)
    length = order.block * order.window
    whole = max(1, (order.size // order.block) // order.window)
    number = min(within // length, whole - 1)
    start = epoch * order.size + number * length
    return range(start, (epoch + 1) * order.size if number == whole - 1 else start + length)


def window_reads(order: Order, index: DataIndex, position: int, largest: int = LARGEST) -> list[ByteRange]:
    """Sequential reads that hold the images of the window of a position, by shard and place.

    Samples that lie side by side share a read of at most `largest` bytes; other members between them are part of it.
    """
    positions = window_positions(order, position)
    numbers = np.unique(order.samples_at(np.arange(positions.start, positions.stop, dtype=np.int64)))
    reads: list[ByteRange] = []
    for first in range(0, numbers.size, 8192):
        before = -1
        for ref in index.locate_all(numbers[first : first + 8192].tolist()):
            end, last = ref.offset + ref.length, reads[-1] if reads else None
            near = last is not None and last.url == ref.shard and ref.index == before + 1
            if last is not None and near and end - last.start <= largest:
                reads[-1] = ByteRange(last.url, last.start, end)
            else:
                reads.append(ByteRange(ref.shard, ref.offset, end))
            before = ref.index
    return reads
