"""The few images whose features are drawn beside each checkpoint: the first of the run's order that can be read."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data import BrokenSampleError, DataIndex, EvalTransform, SampleOrder, decode_image
from webssl_trainer.data.fetch import fetch
from webssl_trainer.storage import ByteRange, Storage

COUNT = 4
_TRIES = 4 * COUNT


def fixed_images(
    storage: Storage, index: DataIndex, order: SampleOrder, side: int, stop: threading.Event
) -> NDArray[np.uint8]:
    """Centres of COUNT images, uint8 (COUNT, 3, side, side): the same ones in every attempt of a run.

    stop: ends waiting for the storage.

    Raises:
        LookupError: fewer than COUNT of the first images can be read.
    """
    cut = EvalTransform(size=side)
    refs = [index.locate(int(number)) for number in order.samples_at(np.arange(_TRIES, dtype=np.int64))]
    ranges = [ByteRange(ref.shard, ref.offset, ref.offset + ref.length) for ref in refs]
    found: list[NDArray[np.uint8]] = []
    for data in fetch(storage, ranges, stop).pieces:
        try:
            found.append(cut.pixels(decode_image(data or b"")))
        except BrokenSampleError:
            continue
        if len(found) == COUNT:
            return np.stack(found)
    raise LookupError(f"{len(found)} of the run's first {_TRIES} images can be read")
