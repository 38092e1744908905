"""Range reads whose requests are made by a process of their own.

A request is some twenty short pieces of Python. Made beside decoding, each of them takes the interpreter lock from a decoder,
or from the thread that launches the step's kernels; apart, decoding runs as if nothing was read (note 0013). The answers
lie in memory that both processes see, and stay there until nobody looks at them any more.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import TypeVar

import numpy as np
import structlog

from webssl_trainer.storage.addresses import REMOTE, scheme_of
from webssl_trainer.storage.apart_messages import Ask, Failed, Said, receive, send, starts
from webssl_trainer.storage.direct_storage import DirectStorage
from webssl_trainer.storage.errors import StorageStoppedError
from webssl_trainer.storage.protocol import ByteRange, Came, Storage

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_LOOK = 0.2
_LEAST = 1 << 20
_FEW, _PIECE = 600, 1 << 20
"""So many short reads, or so many pieces, made here cost a loader as much processor time as the start of a process."""
_MANY = 1500
"""Of so many reads that are to come, the start of a process pays from the first on: it is paid once, and takes its time."""


class _Line:
    """One call at a time to the reading process, and the memory of its answer."""

    def __init__(self, control: Connection) -> None:
        self._here, there = Pipe()
        send_handle(control, there.fileno(), None)
        there.close()
        self._memory: mmap.mmap | None = None

    def call(
        self,
        ranges: Sequence[ByteRange],
        stop: threading.Event | None,
        storage: DirectStorage,
        back: Callable[[_Line], object],
    ) -> list[memoryview]:
        """What came for each range, where it lies in the memory; once the last view of that is gone, the line goes `back`.

        Raises:
            StorageStoppedError: `stop` was set.
            EOFError, OSError: the process is gone.
            Exception: what the storage there raised.
        """
        places = starts(ranges)
        self._ask(ranges, places[-1])
        while True:
            while not self._here.poll(_LOOK):
                if stop is not None and stop.is_set():
                    raise StorageStoppedError(f"{len(ranges)} reads under way")
            answer = receive(self._here)
            if isinstance(answer, Said):
                getattr(_log, answer.level, _log.warning)(answer.event, **answer.fields)
                continue
            storage.count_apart(answer.counts.retries, answer.counts.hedges)
            if isinstance(answer, Failed):
                raise _ThereError(answer.error)
            memory = self._lent(back)
            return [memory[at : at + count] for at, count in zip(places[:-1], answer.lengths, strict=True)]

    def _lent(self, back: Callable[[_Line], object]) -> memoryview:
        assert self._memory is not None
        lent = np.frombuffer(self._memory, np.uint8)
        weakref.finalize(lent, back, self).atexit = False
        return lent.data.toreadonly()

    def _ask(self, ranges: Sequence[ByteRange], size: int) -> None:
        if self._memory is not None and len(self._memory) >= size:
            send(self._here, Ask(ranges, 0))
            return
        room = max(_LEAST, size + size // 4)
        descriptor = os.memfd_create("webssl-reads")
        try:
            os.truncate(descriptor, room)
            self._memory = mmap.mmap(descriptor, room)
            send(self._here, Ask(ranges, room), descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Ends a call that is under way there."""
        self._here.close()


class _ThereError(Exception):
    """An error of the storage there, not of the way to it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class ReadsApart:
    """The range reads of a storage, by another process as soon as that is up, and by this one until then, or if it ends.

    The process is started by the first read if many are to come, else when so many were made that its start had paid.

    Safe for several threads; not across a fork. What the other one counts, the storage counts.

    Args:
        storage: read by whichever; the keys are found by each process for itself.
        to_come: how many reads there will be, at least; None for no end.
    """

    def __init__(self, storage: DirectStorage, to_come: int | None = 0) -> None:
        self._storage = storage
        self._most_here = 0 if to_come is None or to_come > _MANY else _FEW
        self._lock = threading.Lock()
        self._spare: deque[_Line] = deque()
        self._ready = self._over = False
        self._read_here = 0
        self._started: tuple[subprocess.Popen[bytes], Connection] | None = None

    @property
    def process(self) -> int | None:
        """Number of the other process; None before it is started."""
        return None if self._started is None else self._started[0].pid

    @property
    def spare_lines(self) -> int:
        """Lines whose answers nobody looks at any more."""
        return len(self._spare)

    def is_up(self, wait: float = 0.0) -> bool:
        """Whether the other process reads; it is started if it was not.

        Args:
            wait: seconds to wait for its start.
        """
        with self._lock:
            if not self._ready and not self._over:
                try:
                    self._started = self._started or _start(self._storage)
                    control = self._started[1]
                    if control.poll(wait):
                        self._ready = receive(control) == "ready"
                        _log.info("storage.reading_process", process=self.process)
                # No room for it, or a storage that can not be sent: reads here are as right.
                except Exception as error:
                    self._end(error)
            return self._ready and not self._over

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """See `Storage`. What comes is not copied: views of a memory that is used again when the last of them is gone."""
        return self._read(ranges, stop, lambda came: came, lambda here: here.cat_ranges(ranges, stop))

    def read_into(
        self, ranges: Sequence[ByteRange], rooms: Sequence[memoryview], stop: threading.Event | None = None
    ) -> list[int]:
        """See `Storage`."""

        def copied(came: list[memoryview]) -> list[int]:
            for room, piece in zip(rooms, came, strict=True):
                room[: len(piece)] = piece
            return [len(piece) for piece in came]

        return self._read(ranges, stop, copied, lambda here: here.read_into(ranges, rooms, stop))

    def _read(
        self,
        ranges: Sequence[ByteRange],
        stop: threading.Event | None,
        taken: Callable[[list[memoryview]], T],
        here: Callable[[Storage], T],
    ) -> T:
        if any(scheme_of(item.url) not in REMOTE for item in ranges) or self._few(ranges) or not self.is_up():
            return here(self._storage)
        line: _Line | None = None
        try:
            line = self._line()
            came = line.call(ranges, stop, self._storage, self._spare.append)
        except _ThereError as failed:
            if line is not None:
                self._spare.append(line)
            raise failed.error from None
        except (EOFError, OSError) as error:
            with self._lock:
                self._end(error)
            return here(self._storage)
        except BaseException:
            if line is not None:
                line.close()
            raise
        return taken(came)

    def _few(self, ranges: Sequence[ByteRange]) -> bool:
        """Whether so little was read that no process is worth its start; an approximate count, if threads read at once."""
        if self._started is not None or self._over:
            return False
        self._read_here += sum(1 + (item.end - item.start) // _PIECE for item in ranges)
        return self._read_here <= self._most_here

    def _line(self) -> _Line:
        with suppress(IndexError):
            return self._spare.pop()
        with self._lock:
            if self._started is None or self._over:
                raise EOFError("it was closed")
            return _Line(self._started[1])

    def _end(self, error: Exception) -> None:
        """Reads here from now on. Call it with the lock."""
        if not self._over:
            self._over = True
            _log.warning("storage.reading_process_ended", reason=f"{type(error).__name__}: {error}"[:300])

    def close(self) -> None:
        """Ends the other process; reads under way may fail as stopped ones do. Safe to call twice."""
        with self._lock:
            self._over = True
            if self._started is None:
                return
            process, control = self._started
            control.close()
        process.kill()  # it has nothing to lose
        process.wait()


def _start(storage: DirectStorage) -> tuple[subprocess.Popen[bytes], Connection]:
    """The reading process, which says when it is ready, and the line to it."""
    control, there = Pipe()
    with there:
        # With this one's modules, and not with those of the folder that it happens to run in.
        paths = os.pathsep.join(path for path in sys.path if path)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "webssl_trainer.storage.reading_process", str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": paths},
        )
    send(control, storage)
    return process, control


def read_apart(storage: Storage, to_come: int | None = 0) -> ReadsApart | None:
    """`ReadsApart` of a storage whose requests this program makes; None of others, and where memory can not be shared."""
    apart = type(storage) is DirectStorage and hasattr(os, "memfd_create")
    return ReadsApart(storage, to_come) if apart and isinstance(storage, DirectStorage) else None
