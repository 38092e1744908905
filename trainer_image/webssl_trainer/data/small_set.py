"""Keeping a small data set in memory, so that its later epochs cost no requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from webssl_trainer.storage import ByteRange, Came

CHUNK = 1 << 20
Name = tuple[str, int]


class RangeReader(Protocol):
    """The part of a storage that reads ranges."""

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """Several ranges at once, in order; each may be shorter when its object ends earlier."""
        ...


@runtime_checkable
class Keeping(RangeReader, Protocol):
    """A reader that keeps what it read, and can be told not to believe it."""

    def cat_fresh(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """Like `cat_ranges`, whatever is kept."""
        ...

    def forget(self, ranges: Sequence[ByteRange]) -> None:
        """Keeps these no longer."""
        ...


class KeptRanges:
    """Range reads that fetch whole aligned chunks, each once, and keep them.

    Nothing is ever dropped: use it for objects that fit in memory together. Safe for several threads; a chunk
    that two of them want is fetched once.

    Args:
        source: where the chunks come from.
        chunk: bytes of a chunk.
    """

    def __init__(self, source: RangeReader, chunk: int = CHUNK) -> None:
        self._source = source
        self._chunk = chunk
        self._lock = threading.Lock()
        self._chunks: dict[Name, Future[bytes]] = {}
        self.bytes_read = 0

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """See `RangeReader`; an error of the source is raised, and the chunks it hit can be asked for again."""
        numbers = [range(item.start // self._chunk, -(-item.end // self._chunk)) for item in ranges]
        wanted = dict.fromkeys(
            (item.url, number) for item, span in zip(ranges, numbers, strict=True) for number in span
        )
        mine, held = self._claim(list(wanted))
        self._fetch(mine, held, stop)
        chunks = {name: self._chunk_of(name, future, stop) for name, future in held.items()}
        return [self._piece(item, span, chunks) for item, span in zip(ranges, numbers, strict=True)]

    def forget(self, ranges: Sequence[ByteRange]) -> None:
        """Drops the chunks of these ranges, so that they are read again; one that is on its way stays."""
        with self._lock:
            for item in ranges:
                for number in range(item.start // self._chunk, -(-item.end // self._chunk)):
                    held = self._chunks.get((item.url, number))
                    if held is not None and held.done():
                        del self._chunks[item.url, number]

    def cat_fresh(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """Like `cat_ranges`, from the source, whatever is kept."""
        answers = self._source.cat_ranges(ranges, stop)
        with self._lock:
            self.bytes_read += sum(len(answer) for answer in answers)
        return answers

    def _claim(self, names: list[Name]) -> tuple[list[Name], dict[Name, Future[bytes]]]:
        """The chunks that nobody fetches yet, now the caller's to fetch, and the futures of all."""
        with self._lock:
            mine = [name for name in names if name not in self._chunks]
            self._chunks.update((name, Future()) for name in mine)
            return mine, {name: self._chunks[name] for name in names}

    def _fetch(
        self, names: list[Name], held: dict[Name, Future[bytes]], stop: threading.Event | None
    ) -> None:
        if not names:
            return
        spans = [ByteRange(url, n * self._chunk, (n + 1) * self._chunk) for url, n in names]
        try:
            answers = self._source.cat_ranges(spans, stop)
        except BaseException as error:
            with self._lock:
                for name in names:
                    del self._chunks[name]
            for name in names:
                held[name].set_exception(error)
            raise
        with self._lock:
            self.bytes_read += sum(len(answer) for answer in answers)
        for name, answer in zip(names, answers, strict=True):
            held[name].set_result(bytes(answer))

    def _chunk_of(self, name: Name, future: Future[bytes], stop: threading.Event | None) -> bytes:
        """The chunk; fetched alone when another caller failed, whose error may be about another chunk."""
        while future.exception() is not None:
            mine, held = self._claim([name])
            self._fetch(mine, held, stop)
            future = held[name]
        return future.result()

    def _piece(self, item: ByteRange, span: range, chunks: dict[Name, bytes]) -> Came:
        parts = [
            memoryview(chunks[item.url, number])[
                max(0, item.start - number * self._chunk) : item.end - number * self._chunk
            ]
            for number in span
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Fresh:
    """Reads past what `kept` keeps."""

    def __init__(self, kept: Keeping) -> None:
        self._kept = kept

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> Sequence[Came]:
        """See `Keeping.cat_fresh`."""
        return self._kept.cat_fresh(ranges, stop)
