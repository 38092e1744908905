"""Range reads from chunks on a local disk where they are there, and from the storage where they are not.

Bringing the chunks is somebody else's work (`filling.py`), so a read never waits for a block: what is not here yet is a
request of its own, as without a cache. What comes out is the same in any case.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from webssl_trainer.data.chunk_store import ChunkStore
from webssl_trainer.storage import ByteRange, Came

CHUNK = 1 << 20


@dataclass(frozen=True)
class CacheSpec:
    """Where blocks are kept, and by whom.

    Attributes:
        folder: on a disk of this node; shared by its processes, and by nobody else.
        max_bytes: of all files in it.
        local_rank, local_world: this process, and how many there are, on this node.
        chunk: bytes of a file; a read of a block takes all files that it touches.
    """

    folder: Path
    max_bytes: int
    local_rank: int = 0
    local_world: int = 1
    chunk: int = CHUNK


class Source(Protocol):
    """The part of a storage that a cache is filled from."""

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """See `Storage`."""
        ...

    def read_into(
        self, ranges: Sequence[ByteRange], rooms: Sequence[memoryview], stop: threading.Event | None = None
    ) -> list[int]:
        """See `Storage`."""
        ...


class BlockCache:
    """Range reads through a `ChunkStore`. Safe for several threads.

    Args:
        source: where all bytes come from.
        store: where chunks are.
        chunk: bytes of a chunk.
    """

    def __init__(self, source: Source, store: ChunkStore, chunk: int = CHUNK) -> None:
        self._source, self.store, self._chunk = source, store, chunk
        self._lock = threading.Lock()
        self._memory: deque[memoryview] = deque()
        self.bytes_read = 0
        self.bytes_found = 0

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """See `Storage`."""
        found = [self._find(item) for item in ranges]
        missing = [at for at, data in enumerate(found) if data is None]
        answers = self._source.cat_ranges([ranges[at] for at in missing], stop) if missing else []
        came = dict(zip(missing, answers, strict=True))
        with self._lock:
            self.bytes_read += sum(len(answer) for answer in answers)
            self.bytes_found += sum(len(data) for data in found if data is not None)
        return [came[at] if data is None else data for at, data in enumerate(found)]

    def cat_fresh(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """Like `cat_ranges`, from the source, whatever is kept."""
        answers = self._source.cat_ranges(ranges, stop)
        with self._lock:
            self.bytes_read += sum(len(answer) for answer in answers)
        return answers

    def forget(self, ranges: Sequence[ByteRange]) -> None:
        """Drops the chunks of these ranges, so that they are read again."""
        for item in ranges:
            for number in self._numbers(item):
                self.store.drop(self.store.name(item.url, number))

    def fill(self, reads: Sequence[ByteRange], until: int, now: int, stop: threading.Event) -> bool:
        """Brings the chunks of some reads that are not here and that nobody else is bringing; see `ChunkStore.put`.

        Returns:
            False when there was no room.
        """
        with ExitStack() as claims:
            mine = [
                (url, numbers)
                for item in reads
                for url, numbers in self._absent(item, until)
                if claims.enter_context(self.store.claim(self.store.name(url, numbers.start)))
            ]
            return not mine or self._bring(mine, until, now, stop)

    def _bring(self, wanted: list[tuple[str, range]], until: int, now: int, stop: threading.Event) -> bool:
        """Runs of chunks from the source into the store, through memory that is used again and again."""
        ranges = [ByteRange(url, run.start * self._chunk, run.stop * self._chunk) for url, run in wanted]
        ends = list(accumulate(item.end - item.start for item in ranges))
        memory = self._memory.pop() if self._memory else memoryview(b"")
        if len(memory) < ends[-1]:
            # Of numpy, which asks for large pages.
            memory = np.empty(ends[-1], np.uint8).data
        rooms = [memory[start:end] for start, end in pairwise([0, *ends])]
        came = self._source.read_into(ranges, rooms, stop)
        with self._lock:
            self.bytes_read += sum(came)
        kept = all(
            self._keep(url, run, room[:count], until, now)
            for (url, run), room, count in zip(wanted, rooms, came, strict=True)
        )
        self._memory.append(memory)  # not after an error, when a request may still write to it
        return kept

    def _keep(self, url: str, numbers: range, data: memoryview, until: int, now: int) -> bool:
        for at, number in enumerate(numbers):
            piece = data[at * self._chunk : (at + 1) * self._chunk]
            if len(piece) and not self.store.put(self.store.name(url, number), piece, until, now):
                return False
        return True

    def _absent(self, item: ByteRange, until: int) -> list[tuple[str, range]]:
        """Runs of chunks of a range that are not here."""
        runs: list[range] = []
        for number in self._numbers(item):
            if self.store.has(self.store.name(item.url, number), until):
                continue
            if runs and runs[-1].stop == number:
                runs[-1] = range(runs[-1].start, number + 1)
            else:
                runs.append(range(number, number + 1))
        return [(item.url, run) for run in runs]

    def _find(self, item: ByteRange) -> bytes | None:
        """A range from chunks, if all of it is here."""
        parts: list[bytes] = []
        for number in self._numbers(item):
            base = number * self._chunk
            start, end = max(item.start, base) - base, min(item.end, base + self._chunk) - base
            part = self.store.read(self.store.name(item.url, number), start, end)
            if part is None or len(part) < end - start:
                return None
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _numbers(self, item: ByteRange) -> range:
        return range(item.start // self._chunk, -(-item.end // self._chunk))
