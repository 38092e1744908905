"""What the trainer asks of a storage. Everything is addressed by URL; nothing here knows a vendor."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

Came = bytes | memoryview
"""Bytes that came, in memory of their own or in some that is used again when nobody looks at them any more."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes `[start, end)` of the object at `url`."""

    url: str
    start: int
    end: int


@dataclass(frozen=True)
class ObjectInfo:
    """An object that exists.

    Attributes:
        url: its URL.
        size: bytes.
        version: what changes when it is written anew, as far as the storage says so (ETag, or time of the last
            change); "" when it does not. Not compared.
    """

    url: str
    size: int
    version: str = field(default="", compare=False)


class Storage(Protocol):
    """Reads, lists and writes objects by URL (`s3://`, `file://`, `memory://`, or a plain path).

    Every method retries transient errors within its budget, raises `StorageNotFoundError` or `StorageDeniedError` at
    once, and `StorageUnavailableError` when the budget is spent. Methods may be called from several threads. An
    instance can be pickled to a spawned process; it must not be used across a fork.
    """

    @property
    def retry_causes(self) -> Mapping[str, int]:
        """Failed tries that were repeated since the start of this process, by cause; see `RETRY_CAUSES`."""
        ...

    @property
    def hedges(self) -> Mapping[str, int]:
        """Second requests for slow reads since the start of this process: see `HEDGES`."""
        ...

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        """The object, or its bytes `[start, end)`; shorter when the object ends earlier."""
        ...

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        """Several ranges at once, in order; each may be shorter when its object ends earlier."""
        ...

    def read_into(
        self, ranges: Sequence[ByteRange], rooms: Sequence[memoryview], stop: threading.Event | None = None
    ) -> list[int]:
        """Like `cat_ranges`, into memory that the caller has and uses again: for each range how many bytes came.

        A long read into new memory costs several times its transfer in page faults. After an error, `rooms` may still be
        written to for a moment.

        Args:
            ranges: what is read.
            rooms: for each range writable bytes, at least as many as it has.
            stop: ends the waiting.
        """
        ...

    def open(self, url: str) -> BinaryIO:
        """A seekable, readable binary file."""
        ...

    def list_objects(self, prefix: str) -> list[ObjectInfo]:
        """All objects under a folder, recursively, sorted by URL; empty when there is none."""
        ...

    def glob(self, pattern: str) -> list[ObjectInfo]:
        """Objects whose URL matches `*`, `?`, `[...]`, `**`, sorted by URL; empty when there is none."""
        ...

    def info(self, url: str) -> ObjectInfo:
        """Size and version of one object."""
        ...

    def size(self, url: str) -> int:
        """Size in bytes."""
        ...

    def exists(self, url: str) -> bool:
        """Whether an object is there."""
        ...

    def put(self, url: str, data: bytes) -> None:
        """Writes or replaces the object; readers see the old or the new one, never a part."""
        ...

    def put_if_absent(self, url: str, data: bytes) -> bool:
        """Writes the object only if there is none; True when this call wrote it.

        On S3 an object that already holds exactly `data` counts as written by this call (its first answer may
        have been lost), so `data` must name its writer.
        """
        ...

    def delete(self, url: str) -> None:
        """Removes the object; no error when there is none."""
        ...

    def filesystem(self, url: str) -> tuple[Any, str]:
        """The fsspec file system of a URL and the path in it, for libraries that want those."""
        ...
