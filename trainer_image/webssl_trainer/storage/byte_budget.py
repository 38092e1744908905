"""How many bytes the reads of a process may be about to hold: back pressure in place of memory."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from webssl_trainer.storage.errors import StorageStoppedError

_LOOK = 0.2


class ByteBudget:
    """Lets reads begin while the bytes of those under way stay within a limit, first come, first served.

    A read takes all its bytes at once, before it begins, and gives them back at its end: nobody holds a part and waits
    for more, so no two can wait for each other. One that is larger than the limit counts as the limit, and so runs
    alone. A small one that comes later does not overtake a large one that waits.

    Args:
        limit: bytes, at least 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"limit {limit}: must be at least 1 byte")
        self.limit = limit
        self._lock = threading.Lock()
        self._used = 0
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    @property
    def used(self) -> int:
        """Bytes of the reads under way."""
        return self._used

    @contextmanager
    def held(self, count: int, stop: threading.Event | None = None) -> Iterator[None]:
        """Runs the block when there is room for `count` bytes.

        Raises:
            StorageStoppedError: `stop` was set before there was.
        """
        count = min(count, self.limit)
        ticket = (count, threading.Event())
        with self._lock:
            self._waiting.append(ticket)
            self._admit()
        try:
            while not ticket[1].wait(_LOOK if stop is not None else None):
                if stop is not None and stop.is_set():
                    raise StorageStoppedError(f"{count} bytes waited for their turn")
            yield
        finally:
            self._leave(ticket)

    def _admit(self) -> None:
        while self._waiting and self._used + self._waiting[0][0] <= self.limit:
            count, turn = self._waiting.popleft()
            self._used += count
            turn.set()

    def _leave(self, ticket: tuple[int, threading.Event]) -> None:
        with self._lock:
            if ticket[1].is_set():
                self._used -= ticket[0]
            else:
                self._waiting = deque(item for item in self._waiting if item is not ticket)
            self._admit()


@functools.cache
def _of_process(_: int, limit: int) -> ByteBudget:
    return ByteBudget(limit)


def shared_budget(limit: int) -> ByteBudget:
    """The one budget of this process for a limit, whatever the number of storages."""
    return _of_process(os.getpid(), limit)
