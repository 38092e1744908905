"""What a process and its reading process say to each other; see `reads_apart`.

A line is a pair of sockets and a piece of memory that both see. On it one call is under way at a time: `Ask`, then any number
of `Said`, then `Came` or `Failed`.
"""

from __future__ import annotations

import mmap
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

from webssl_trainer.storage.protocol import ByteRange


@dataclass(frozen=True)
class Ask:
    """Read these, one behind the other, into the memory of the line.

    Attributes:
        ranges: what to read.
        memory: bytes of a new memory, whose descriptor follows; 0 where the one before goes on.
    """

    ranges: Sequence[ByteRange]
    memory: int


@dataclass(frozen=True)
class Counts:
    """Retries by cause and second requests since they were told last; see `Storage`."""

    retries: Mapping[str, int] = field(default_factory=dict)
    hedges: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """A line of a log: its level, its event, and what else it has."""

    level: str
    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Came:
    """Bytes that came for each range; those of range i begin where they would if all before were whole."""

    lengths: Sequence[int]
    counts: Counts


@dataclass(frozen=True)
class Failed:
    """The error that ended the call."""

    error: Exception
    counts: Counts


def send(line: Connection, message: Any, descriptor: int | None = None) -> None:
    """Sends a message, and a descriptor behind it.

    Raises:
        OSError: nobody is there any more.
    """
    line.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
    if descriptor is not None:
        send_handle(line, descriptor, None)


def receive(line: Connection) -> Any:
    """The next message.

    Raises:
        EOFError, OSError: nobody is there any more.
    """
    return pickle.loads(line.recv_bytes())


def receive_memory(line: Connection, size: int) -> mmap.mmap:
    """The memory that was announced, of which the descriptor follows."""
    descriptor = recv_handle(line)
    try:
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def starts(ranges: Sequence[ByteRange]) -> list[int]:
    """Where each range begins in the memory, and where the last one ends."""
    places = [0]
    for item in ranges:
        places.append(places[-1] + max(0, item.end - item.start))
    return places
