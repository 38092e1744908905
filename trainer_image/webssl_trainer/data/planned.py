"""The samples of micro-batches to come, worked out for many of them at once.

An order of 64 positions takes as long as one of 500: it is numpy's calls, not its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.order import SampleOrder

_AT_ONCE = 1024


def planned(units: Iterable[range], order: SampleOrder) -> Iterator[tuple[range, NDArray[np.int64]]]:
    """Each run of positions with the samples that it uses, int64 (N,)."""
    units = iter(units)
    for first in units:
        some = [first, *islice(units, _AT_ONCE // max(1, len(first)))]
        samples = order.samples_at(np.concatenate([np.arange(unit.start, unit.stop) for unit in some]))
        yield from zip(some, np.split(samples, np.cumsum([len(unit) for unit in some[:-1]])), strict=True)
