"""One thread of the process that makes HTTP requests by libcurl, and runs timers.

A request of 60 KB takes two thirds of the processor time that it takes where each answer has to wake an event loop (note
0013). It has what `range_reads` needs of a loop, and knows nothing of storages.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pycurl
import structlog

from webssl_trainer.storage.answers import Room
from webssl_trainer.storage.curl_transfer import Finish, Transfer

_log = structlog.get_logger(__name__)
_LOOK_FOR_SILENCE = 0.25
_SPARE_HANDLES = 64


@dataclass(eq=False)
class Timer:
    """What is due at a time, unless it is cancelled before."""

    call: Callable[[], object]
    over: bool = False

    def cancel(self) -> None:
        self.over = True


class CurlLoop:
    """The thread, its requests and its timers. All but `call_soon_threadsafe` and `close` belong to code that runs on it."""

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_due)
        self._sockets = selectors.DefaultSelector()
        self._wakes, self._waker = socket.socketpair()
        for end in (self._wakes, self._waker):
            end.setblocking(False)
        self._sockets.register(self._wakes, selectors.EVENT_READ)
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._due: float | None = None
        self._spare: list[Any] = []
        self._under_way: dict[Any, Transfer] = {}
        self._closed = self._looks = False
        self._thread = threading.Thread(target=self._run, name="storage-curl", daemon=True)
        self._thread.start()

    def time(self) -> float:
        return time.monotonic()

    def call_soon_threadsafe(self, call: Callable[..., object], *arguments: Any) -> None:
        """Runs a function on the loop. Safe for any thread."""
        self._ready.append((call, arguments))
        try:
            self._waker.send(b"\0")
        except BlockingIOError:  # so many wakes wait there that it will wake
            return

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        self._ready.append((call, arguments))

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> Timer:
        timer = Timer(partial(call, *arguments))
        heapq.heappush(self._timers, (self.time() + delay, next(self._numbers), timer))
        return timer

    def request(
        self, prepare: Callable[[Any], object], finish: Finish, quiet: float, room: Room = None
    ) -> Transfer:
        """Begins a request.

        Args:
            prepare: sets what is asked for on a libcurl handle that is as new, and nothing of where the answer goes.
            finish: makes the result.
            quiet: seconds of silence, once it was sent, after which it has failed.
            room: where the part of an object that was asked for (status 206) goes; more than fits is an error.
        """
        curl = self._spare.pop() if self._spare else pycurl.Curl()
        curl.reset()
        transfer = Transfer(self, curl, finish, quiet, room)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.HEADERFUNCTION, transfer.head.append)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.take)
        prepare(curl)
        self._under_way[curl] = transfer
        self._multi.add_handle(curl)
        if not self._looks:
            self._looks = True
            self.call_later(_LOOK_FOR_SILENCE, self._look_for_silence)
        return transfer

    def run(self, call: Callable[..., object], *arguments: Any) -> None:
        """Calls a function; an error of it is logged, and is not the end of all other requests."""
        try:
            call(*arguments)
        except Exception:
            _log.exception("storage.loop_error")

    def release(self, transfer: Transfer) -> None:
        """Takes a request out of libcurl's hands; a part of an answer ends its connection."""
        self._multi.remove_handle(transfer.curl)
        del self._under_way[transfer.curl]
        if len(self._spare) < _SPARE_HANDLES:
            self._spare.append(transfer.curl)

    def close(self) -> None:
        """Ends the thread; what is under way gets no answer."""
        self.call_soon_threadsafe(setattr, self, "_closed", True)
        self._thread.join(5.0)

    # -- on the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed:
            running = len(self._under_way)
            for key, events in self._sockets.select(self._wait()):
                if key.fileobj is self._wakes:
                    self._wakes.recv(4096)
                else:
                    flags = (pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0) | (
                        pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
                    )
                    _, running = self._multi.socket_action(key.fd, flags)
            now = self.time()
            if self._due is not None and self._due <= now:
                self._due = None
                _, running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            if running < len(self._under_way):
                self._end_finished()
            while self._timers and self._timers[0][0] <= now:
                timer = heapq.heappop(self._timers)[2]
                if not timer.over:
                    self.run(timer.call)
            for _ in range(len(self._ready)):
                call, arguments = self._ready.popleft()
                self.run(call, *arguments)

    def _wait(self) -> float | None:
        """Seconds until something is due; None for as long as it takes."""
        if self._ready:
            return 0.0
        while self._timers and self._timers[0][2].over:
            heapq.heappop(self._timers)
        dues = [self._timers[0][0]] if self._timers else []
        dues += [] if self._due is None else [self._due]
        return max(0.0, min(dues) - self.time()) if dues else None

    def _end_finished(self) -> None:
        left = 1
        while left:
            left, whole, failed = self._multi.info_read()
            for curl, code, trouble in [*((curl, 0, "") for curl in whole), *failed]:
                # What one of them calls may have cancelled another that was over, too: of two requests for one read, say.
                transfer = self._under_way.get(curl)
                if transfer is not None:
                    transfer.ended(code, trouble)

    def _look_for_silence(self) -> None:
        now = self.time()
        for transfer in tuple(self._under_way.values()):
            seen = transfer.came()
            if seen != transfer.seen or transfer.curl.getinfo(pycurl.PRETRANSFER_TIME) == 0:
                transfer.seen, transfer.since = seen, now
            elif now - transfer.since >= transfer.quiet:
                transfer.ended(pycurl.E_OPERATION_TIMEDOUT, f"silence for {transfer.quiet:g} s")
        self._looks = bool(self._under_way)
        if self._looks:
            self.call_later(_LOOK_FOR_SILENCE, self._look_for_silence)

    def _watch(self, what: int, number: int, _multi: Any, _data: Any) -> None:
        """libcurl's wish to be told of a socket."""
        known = number in self._sockets.get_map()
        if what == pycurl.POLL_REMOVE:
            if known:
                self._sockets.unregister(number)
            return
        events = (selectors.EVENT_READ if what & pycurl.POLL_IN else 0) | (
            selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
        )
        if known:
            self._sockets.modify(number, events)
        else:
            self._sockets.register(number, events)

    def _set_due(self, milliseconds: int) -> None:
        """libcurl's wish to be called after a time; -1 for none."""
        self._due = None if milliseconds < 0 else self.time() + milliseconds / 1e3


_made = threading.Lock()
_loop: CurlLoop | None = None
_owner: int | None = None


def usable_here() -> bool:
    """False in a process that was forked from one in which requests had begun: threads do not survive a fork."""
    return _owner in {None, os.getpid()}


def curl_loop() -> CurlLoop:
    """The loop of this process; it ends before the interpreter does."""
    global _loop, _owner
    with _made:
        if _loop is None:
            _loop, _owner = CurlLoop(), os.getpid()
            atexit.register(_close, _loop)
        return _loop


def _close(loop: CurlLoop) -> None:
    if os.getpid() == _owner:
        loop.close()
