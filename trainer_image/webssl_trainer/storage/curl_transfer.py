"""One request of libcurl, as whoever waits for it sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pycurl

from webssl_trainer.storage.answers import Room
from webssl_trainer.storage.protocol import Came


@dataclass(frozen=True)
class Answer:
    """What came for a request.

    Attributes:
        status: of HTTP; 0 where none came.
        head: the header lines as they came.
        body: all of it.
        code: libcurl's number of what went wrong; 0 where nothing did.
        trouble: the same in words.
    """

    status: int
    head: bytes
    body: Came
    code: int
    trouble: str


Finish = Callable[[Answer], Any]
"""The result of a request, or raises what is its error."""


class Keeper(Protocol):
    """What a request needs of the loop on which it is under way; see `curl_loop.CurlLoop`."""

    def time(self) -> float: ...
    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None: ...
    def run(self, call: Callable[..., object], *arguments: Any) -> None: ...
    def release(self, transfer: Transfer) -> None: ...


class _InRoom:
    """Puts the part of an object that was asked for (status 206) where it belongs; what else comes, an error's text, goes to `rest`."""

    def __init__(self, room: memoryview, head: list[bytes], rest: list[bytes]) -> None:
        self._room, self._head, self._rest = room, head, rest
        self._wanted: bool | None = None
        self.filled = 0

    def take(self, piece: bytes) -> int | None:
        """A piece of the body; a number that is not its length tells libcurl to give up."""
        if self._wanted is None:
            status = next((line for line in reversed(self._head) if line.startswith(b"HTTP/")), b"")
            self._wanted = status.split(b" ", 2)[1:2] == [b"206"]
        if not self._wanted:
            self._rest.append(piece)
            return None
        end = self.filled + len(piece)
        if end > len(self._room):
            return 0
        self._room[self.filled : end] = piece
        self.filled = end
        return None

    def view(self) -> memoryview:
        """What came, in its place."""
        return self._room[: self.filled]


class Transfer:
    """A request under way, for code on the loop only; the part of `asyncio.Future` that `range_reads.Request` names."""

    def __init__(self, loop: Keeper, curl: Any, finish: Finish, quiet: float, room: Room = None) -> None:
        self._loop, self._finish = loop, finish
        self._callbacks: list[Callable[[Any], object]] = []
        self._state, self._result = "under way", None
        self._error: BaseException | None = None
        self.curl, self.quiet = curl, quiet
        self.head: list[bytes] = []
        self._pieces: list[bytes] = []
        self._in_room = None if room is None else _InRoom(room, self.head, self._pieces)
        self.take = self._pieces.append if self._in_room is None else self._in_room.take
        self.seen, self.since = 0, loop.time()

    def came(self) -> int:
        """A number that rises with all that comes."""
        return len(self.head) + len(self._pieces) + (self._in_room.filled if self._in_room else 0)

    def _body(self) -> Came:
        return self._in_room.view() if self._in_room and not self._pieces else b"".join(self._pieces)

    def done(self) -> bool:
        return self._state != "under way"

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Called when it is over; cancelled ones call later, from the loop."""
        self._callbacks.append(callback)

    def cancel(self) -> None:
        """Ends the request, and its connection with it; nothing if it is over."""
        if not self.done():
            self._state = "cancelled"
            self._loop.release(self)
            self._loop.call_soon(self._call)

    def ended(self, code: int, trouble: str) -> None:
        """The loop's word that libcurl is done with it."""
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE))
        answer = Answer(status, b"".join(self.head), self._body(), code, trouble)
        self._loop.release(self)
        try:
            self._result = self._finish(answer)
        except Exception as error:
            self._error = error
        self._state = "done"
        self._call()

    def _call(self) -> None:
        for callback in self._callbacks:
            self._loop.run(callback, self)
