"""Many reads at once on one thread of the process: a bounded number under way, slow ones asked for twice.

It knows nothing of a storage: a read is a function that begins a request, and what comes is handed on as it is.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any, Protocol

from webssl_trainer.storage.errors import StorageStoppedError
from webssl_trainer.storage.hedging import Hedges

_LOOK = 0.2


class Request(Protocol):
    """A request under way: `asyncio.Future`, or what is as good as one here. Cancelling it ends the request."""

    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def exception(self) -> BaseException | None: ...
    def result(self) -> Any: ...
    def cancel(self) -> object: ...
    def add_done_callback(self, callback: Callable[[Any], object], /) -> object: ...


class Handle(Protocol):
    """What is to come, unless it is cancelled."""

    def cancel(self) -> object: ...


class Loop(Protocol):
    """One thread that runs what it is told: an event loop of asyncio, or `curl_loop`."""

    def time(self) -> float: ...
    def call_soon_threadsafe(self, call: Callable[..., object], /, *arguments: Any) -> object: ...
    def call_later(self, delay: float, call: Callable[..., object], /, *arguments: Any) -> Handle: ...


Begin = Callable[[], Request]
"""Begins a request; called on the loop."""


@dataclass(frozen=True)
class Wanted:
    """One read.

    Attributes:
        begin: begins it.
        length: bytes that it will bring; 0 where nobody knows, and it is not asked for twice.
        again: begins it a second time, if not as the first one.
    """

    begin: Begin
    length: int
    again: Begin | None = None


@dataclass(eq=False)
class _Read:
    """A read of a batch: its requests under way, and whether it is over."""

    batch: _Batch
    at: int
    wanted: Wanted
    began: float = 0.0
    tries: list[Request] = field(default_factory=list)
    twice: bool = False
    over: bool = False
    timer: Handle | None = None


@dataclass(eq=False)
class _Batch:
    """The reads of one call."""

    answers: list[Any]
    left: int
    done: Future[list[Any]] = field(default_factory=Future)
    reads: list[_Read] = field(default_factory=list)


class RangeReads:
    """Reads of one storage, in the order in which they were asked for.

    Safe for several threads; the work is done on the loop of the process.

    Args:
        connections: most requests under way, second ones included.
        hedges: when a second request is sent, and what was counted.
        throttles: tells an error that says that the storage is asked too much.
        loop: where requests are begun; by default the event loop of the process.
    """

    def __init__(
        self,
        connections: int,
        hedges: Hedges,
        throttles: Callable[[BaseException], bool],
        loop: Loop | None = None,
    ) -> None:
        self.hedges = hedges
        self._connections, self._throttles = connections, throttles
        self._loop = loop or loop_of_process()
        self._queue: deque[_Read] = deque()
        self._asked: set[_Read] = set()
        self._under_way = 0
        _everyone.add(self)

    def read_all(self, wanted: Sequence[Wanted], stop: threading.Event | None = None) -> list[Any]:
        """What came for each read, in order: its result, or the exception that ended it.

        Raises:
            StorageStoppedError: `stop` was set; requests under way are cancelled.
        """
        if not wanted:
            return []
        batch = _Batch([None] * len(wanted), len(wanted))
        batch.reads = [_Read(batch, at, item) for at, item in enumerate(wanted)]
        self._loop.call_soon_threadsafe(self._add, batch)
        try:
            while True:
                try:
                    return batch.done.result(_LOOK if stop is not None else None)
                except NotYet:
                    if stop is not None and stop.is_set():
                        raise StorageStoppedError(f"{batch.left} reads under way") from None
        finally:
            if not batch.done.done():
                self._loop.call_soon_threadsafe(self._drop, batch)

    # -- on the loop --------------------------------------------------------------------------------------------------

    def _add(self, batch: _Batch) -> None:
        self._queue.extend(batch.reads)
        self._begin()

    def _begin(self) -> None:
        while self._queue and self._under_way < self._connections:
            read = self._queue.popleft()
            if read.over:
                continue
            read.began = self._loop.time()
            self._asked.add(read)
            length = read.wanted.length
            self.hedges.asked(length)
            self._ask(read)
            slow = self.hedges.slow(length) if length else None
            if slow is not None and not read.over:
                read.timer = self._loop.call_later(slow, self._late, read, slow)

    def _ask(self, read: _Read) -> None:
        began = self._loop.time()
        try:
            again = read.wanted.again if read.twice else None
            request = (again or read.wanted.begin)()
        except Exception as error:
            self._finish(read, error)
            return
        read.tries.append(request)
        self._under_way += 1
        request.add_done_callback(lambda done: self._ended(read, done, began))

    def _late(self, read: _Read, slow: float) -> None:
        """The read is slow: ask again if the bounds allow it, else look again later."""
        if read.over:
            return
        now = self._loop.time()
        if self._under_way < self._connections and self.hedges.due(read.wanted.length, now - read.began, now):
            read.twice = True
            self.hedges.hedged(read.wanted.length)
            self._ask(read)
        else:
            read.timer = self._loop.call_later(slow, self._late, read, slow)

    def _ended(self, read: _Read, request: Request, began: float) -> None:
        self._under_way -= 1
        second = read.tries[0] is not request
        error = None if request.cancelled() else request.exception()
        used = False
        if error is not None and self._throttles(error):
            self.hedges.throttled(self._loop.time())
        if not read.over and not request.cancelled():
            others = [item for item in read.tries if item is not request and not item.done()]
            if error is None and read.wanted.length:
                self.hedges.came(read.wanted.length, self._loop.time() - began)
            # Of two requests, an error of the one leaves the read to the other.
            if error is None or not others:
                used = error is None
                self._finish(read, request.result() if error is None else error)
        if second:
            self.hedges.hedge_ended(won=used)
        self._begin()

    def _finish(self, read: _Read, answer: Any) -> None:
        batch = read.batch
        self._end(read)
        batch.answers[read.at] = answer
        batch.left -= 1
        if batch.left == 0:
            batch.done.set_result(batch.answers)

    def _end(self, read: _Read) -> None:
        read.over = True
        self._asked.discard(read)
        if read.timer is not None:
            read.timer.cancel()
        for item in read.tries:
            item.cancel()

    def _drop(self, batch: _Batch) -> None:
        for read in batch.reads:
            self._end(read)
        self._begin()

    def end_all(self) -> None:
        """Cancel what is under way, and begin nothing more. On the loop."""
        self._queue.clear()
        for read in tuple(self._asked):
            self._end(read)


_made = threading.Lock()
_everyone: weakref.WeakSet[RangeReads] = weakref.WeakSet()
_loop: asyncio.AbstractEventLoop | None = None
_owner: int | None = None


def usable_here() -> bool:
    """False in a process that was forked from one in which reads had begun: threads do not survive a fork."""
    return _owner in {None, os.getpid()}


def loop_of_process() -> asyncio.AbstractEventLoop:
    """The event loop of this process's reads, on a thread of its own that ends before the interpreter does."""
    global _loop, _owner
    with _made:
        if _loop is None:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="storage-reads", daemon=True)
            thread.start()
            atexit.register(_close, loop, thread)
            _loop, _owner = loop, os.getpid()
        return _loop


def _close(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """A request that ends while the interpreter does would call into it; so none is left by then."""

    def end() -> None:
        for reads in tuple(_everyone):
            reads.end_all()
        loop.call_later(0.02, loop.stop)

    if os.getpid() == _owner:
        loop.call_soon_threadsafe(end)
        thread.join(5.0)
