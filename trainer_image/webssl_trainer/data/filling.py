"""Brings the blocks of this window, and then of the next, into the cache, beside the reading."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import structlog

from webssl_trainer.data.block_cache import BlockCache
from webssl_trainer.data.fill_plan import Window, pays, time_of, windows_at
from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.order import SampleOrder
from webssl_trainer.data.read_ranges import block_reads, window_blocks
from webssl_trainer.storage import ByteRange, StorageDeniedError, StorageKeysError, StorageNotFoundError

_log = structlog.get_logger(__name__)
_AT_ONCE = 2
_LOOK = 0.2


class Filling:
    """A thread that fills a `BlockCache` for a loader, until it is closed.

    Processes of a node begin at different blocks of a window, and skip what another one brings. When there is no room, it
    waits for the next window. A storage that fails ends it with a warning: reads go on without the cache, and say what is
    wrong if they fail too.

    Args:
        cache: what is filled.
        index, order: the samples, and their order.
        position: the present position, asked again and again.
        factor: see `read_over_used`.
        share: where to begin in a window, in [0, 1).
    """

    def __init__(
        self,
        cache: BlockCache,
        index: DataIndex,
        order: SampleOrder,
        position: Callable[[], int],
        factor: float,
        share: float = 0.0,
    ) -> None:
        self._cache, self._index, self._order = cache, index, order
        self._position, self._factor, self._share = position, factor, share
        self._ends = np.cumsum(index.shard_counts)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fill-cache", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it; what is on its way is dropped."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Waits for its end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            complete: set[Window] = set()
            while not self._stop.is_set():
                windows = self._windows()
                complete = {done for done in complete if done.until > self._position()}
                for window in windows:
                    if _named(window) not in complete:
                        if not self._fill(window):
                            break
                        complete.add(_named(window))
                while not self._stop.wait(_LOOK) and self._same(windows):
                    pass
        except Exception as error:  # whatever it is, reads without a cache are no worse than before
            if not self._stop.is_set():
                _log.warning("data.cache_stopped", reason=f"{type(error).__name__}: {error}"[:300])

    def _same(self, windows: list[Window]) -> bool:
        return [_named(window) for window in self._windows()] == [_named(window) for window in windows]

    def _windows(self) -> list[Window]:
        now, ahead = windows_at(self._order, self._position())
        return now + ahead

    def _fill(self, window: Window) -> bool:
        """Brings a window as far as there is room; False when there is none left."""
        if not pays(self._factor, window):
            return True
        blocks = window_blocks(window.order, window.place)
        begin = int(self._share * len(blocks))
        blocks = blocks[begin:] + blocks[:begin]
        until = time_of(window.until)
        for at in range(0, len(blocks), _AT_ONCE):
            now = self._position()
            if self._stop.is_set() or now >= window.until:
                return True
            some = [range(window.first + b.start, window.first + b.stop) for b in blocks[at : at + _AT_ONCE]]
            reads = block_reads(self._index, some, self._ends)
            if not self._bring(reads, until, time_of(now)):
                return False
        return True

    def _bring(self, reads: list[ByteRange], until: int, now: int) -> bool:
        """See `BlockCache.fill`; a shard that is missing or denied keeps only itself out."""
        try:
            return self._cache.fill(reads, until, now, self._stop)
        except StorageKeysError:
            raise
        except (StorageNotFoundError, StorageDeniedError):
            if len(reads) > 1:
                return all(self._bring([read], until, now) for read in reads)
            return True  # whoever needs a sample of it finds out, and says so


def _named(window: Window) -> Window:
    """A window whatever the position in it."""
    return replace(window, place=0, left=0.0)
