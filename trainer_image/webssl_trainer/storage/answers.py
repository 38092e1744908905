"""Whether the answer to a range request has the length that it must have."""

from __future__ import annotations

from typing import Any

from webssl_trainer.storage.addresses import REMOTE, scheme_of
from webssl_trainer.storage.classify import http_status
from webssl_trainer.storage.errors import WrongLengthError
from webssl_trainer.storage.protocol import ByteRange, Came

Room = memoryview | None
"""Where the bytes of a range are to lie, if not in memory of their own."""


def placed(came: Any, room: Room) -> Came:
    """What came, in its room if it has one; nothing is copied that lies there already.

    Args:
        came: bytes of any kind, no more than there is room for.
        room: see `Room`.
    """
    if room is None:
        return bytes(came)
    if not (isinstance(came, memoryview) and came.obj is room.obj):
        room[: len(came)] = came
    return room[: len(came)]


def whole(system: Any, wanted: ByteRange, answer: bytes | Exception) -> bytes:
    """The bytes of an answer; none for a range behind the end of its object.

    Args:
        system: the fsspec file system that answered; asked for the object's size when the answer is short.
        wanted: what was asked for.
        answer: what came.

    Raises:
        WrongLengthError: the answer is short although the object goes on, or longer than its range.
        Exception: the answer was an error.
    """
    if isinstance(answer, Exception):
        if http_status(answer) == 416:
            return b""
        raise answer
    length = wanted.end - wanted.start
    if len(answer) == length or scheme_of(wanted.url) not in REMOTE:
        return bytes(answer)
    if len(answer) < length:
        size = int(system.info(system._strip_protocol(wanted.url))["size"])
        length = max(0, min(size, wanted.end) - wanted.start)
    if len(answer) != length:
        raise WrongLengthError(f"{wanted.url}: {len(answer)} bytes came where {length} belong")
    return bytes(answer)
