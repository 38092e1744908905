"""The process that makes another one's requests: `python -m webssl_trainer.storage.reading_process DESCRIPTOR`.

It lives as long as whoever started it, and has nothing to do but reading; see `reads_apart`.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

import structlog

from webssl_trainer.storage.apart_messages import (
    Ask,
    Came,
    Counts,
    Failed,
    Said,
    receive,
    receive_memory,
    send,
    starts,
)
from webssl_trainer.storage.protocol import Storage

_LOOK = 1.0
_line = threading.local()


def main() -> int:
    """Serves lines until the other end is gone."""
    # Sent to a whole group, they are for whoever started this, whose end is this one's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = os.getppid()
    control = Connection(int(sys.argv[1]))
    structlog.configure(processors=[structlog.stdlib.add_log_level, _tell])
    try:
        counted = Counted(receive(control))
        send(control, "ready")
        while os.getppid() == parent:
            if control.poll(_LOOK):
                line = Connection(recv_handle(control))
                threading.Thread(target=_serve, args=(line, counted), daemon=True).start()
    except (EOFError, OSError):
        pass
    sys.stdout.flush()
    os._exit(0)  # reads under way are of no use to anybody


class Counted:
    """A storage, and what it counted since that was asked last."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._lock = threading.Lock()
        self._told: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})

    def news(self) -> Counts:
        with self._lock:
            now = (self.storage.retry_causes, self.storage.hedges)
            before, self._told = self._told, now
        return Counts(*(dict(Counter(new) - Counter(old)) for new, old in zip(now, before, strict=True)))


class _Gone(threading.Event):
    """Set when nobody waits for the answer any more: the other end says nothing while it waits, so it has closed the line."""

    def __init__(self, line: Connection) -> None:
        super().__init__()
        self._other_end = line

    def is_set(self) -> bool:
        return self._other_end.poll(0)

    def wait(self, timeout: float | None = None) -> bool:
        return self._other_end.poll(timeout)


def _serve(line: Connection, counted: Counted) -> None:
    """Answers calls on a line until it is closed."""
    _line.tell = lambda said: send(line, said)
    memory: mmap.mmap | None = None
    stop = _Gone(line)
    try:
        while True:
            ask = receive(line)
            if ask.memory:
                memory = receive_memory(line, ask.memory)
            assert memory is not None
            try:
                lengths = _read(counted.storage, ask, memoryview(memory), stop)
            except Exception as error:
                send(line, Failed(_sendable(error), counted.news()))
            else:
                send(line, Came(lengths, counted.news()))
    except (EOFError, OSError):
        return


def _read(storage: Storage, ask: Ask, memory: memoryview, stop: threading.Event) -> list[int]:
    """Reads into the memory; how many bytes came for each range."""
    rooms = [memory[start:end] for start, end in pairwise(starts(ask.ranges))]
    return storage.read_into(ask.ranges, rooms, stop)


def _sendable(error: Exception) -> Exception:
    """The error, or what can be said of one that can not be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _tell(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """Sends a log line to whoever waits on this thread's line; of a thread without one it is printed."""
    level, text = str(event.pop("level")), str(event.pop("event"))
    fields = {name: value if isinstance(value, int | float) else str(value) for name, value in event.items()}
    tell: Callable[[Said], None] | None = getattr(_line, "tell", None)
    if tell is None:
        return f"{level} {text} {fields}"
    tell(Said(level, text, fields))
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
