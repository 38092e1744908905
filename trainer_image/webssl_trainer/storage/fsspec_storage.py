"""One storage over fsspec, by the scheme of each URL: S3, Google's and Azure's storages, local files, and memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, TypeVar, cast

from webssl_trainer.storage import local_write
from webssl_trainer.storage.addresses import canonical, scheme_of, url_of
from webssl_trainer.storage.answers import Room, placed, whole
from webssl_trainer.storage.byte_budget import shared_budget
from webssl_trainer.storage.classify import explained, http_status, is_expired, is_transient, retry_cause
from webssl_trainer.storage.errors import StorageNotFoundError
from webssl_trainer.storage.file_systems import made
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.protocol import ByteRange, Came, ObjectInfo
from webssl_trainer.storage.retry import Retrier, Waiting

T = TypeVar("T")
# The memory file system looks and writes in two steps, and is shared by all instances of a process.
_memory_lock = threading.Lock()


class FsspecStorage:
    """See `webssl_trainer.storage.protocol.Storage`.

    A file system is made on first use in each process, so that an instance sent to a spawned process never
    carries another process's event loop or connections.
    """

    def __init__(self, options: StorageOptions | None = None, waiting: Waiting | None = None) -> None:
        self.options = options or StorageOptions.from_env()
        self._waiting = waiting or Waiting()
        self._reset()

    def _reset(self) -> None:
        self._retrier = Retrier(self.options.retry, is_transient, self._waiting, retry_cause)
        self._budget = shared_budget(self.options.bytes_in_flight)
        self._filesystems: dict[str, Any] = {}
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "_waiting": self._waiting}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @property
    def retries(self) -> int:
        """Failed tries that were repeated, since the start of this process."""
        return self._retrier.retries

    @property
    def retry_causes(self) -> Mapping[str, int]:
        return dict(self._retrier.causes)

    @property
    def hedges(self) -> Mapping[str, int]:
        return {"sent": 0, "won": 0}

    def filesystem(self, url: str) -> tuple[Any, str]:
        return self._system(url, "patient")

    def _system(self, url: str, kind: Literal["patient", "single"]) -> tuple[Any, str]:
        """File system of a URL: one that tries again by itself, or one for the retry loop here."""
        scheme = scheme_of(url)
        if os.getpid() != self._owner:
            raise RuntimeError("a storage was used after a fork; start workers with spawn, or use threads")
        name = f"{scheme}/{kind}" if scheme == "s3" else scheme
        with self._lock:
            if name not in self._filesystems:
                self._filesystems[name] = made(scheme, self.options, patient=kind == "patient")
            system = self._filesystems[name]
        return system, cast(str, system._strip_protocol(url))

    def _renew(self, expired: Any) -> None:
        """Forgets clients with expired keys: new ones look for keys again, in files and with providers that rotate them."""
        with self._lock:
            if any(system is expired for system in self._filesystems.values()):
                self._filesystems = {name: s for name, s in self._filesystems.items() if name[:3] != "s3/"}

    def _try(self, action: str, url: str, call: Callable[[Any, str], T]) -> T:
        """Result of a call of the URL's file system, tried again while its error is one that passes."""

        def once() -> T:
            system, path = self._system(url, "single")
            try:
                return call(system, path)
            except Exception as error:
                if is_expired(error):
                    self._renew(system)
                raise

        return self._retried(action, url, once)

    def _retried(
        self,
        action: str,
        url: str,
        once: Callable[[], T],
        stop: threading.Event | None = None,
        more: str = "",
    ) -> T:
        try:
            return self._retrier.run(once, f"{action} {url}{more}", stop)
        except Exception as error:
            better = explained(error, url, action)
            if better is error:
                raise
            raise better from error

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if start is not None and end is not None:
            return self.cat_ranges([ByteRange(url, start, end)])[0]
        return self._try(
            "read", url, lambda system, path: cast(bytes, system.cat_file(path, start=start, end=end))
        )

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        found = self._all(ranges, [None] * len(ranges), stop)
        return [cast(bytes, found[at]) for at in range(len(ranges))]

    def read_into(
        self, ranges: Sequence[ByteRange], rooms: Sequence[memoryview], stop: threading.Event | None = None
    ) -> list[int]:
        for item, room in zip(ranges, rooms, strict=True):
            if len(room) < item.end - item.start:
                raise ValueError(f"room of {len(room)} bytes for {item}")
        found = self._all(ranges, rooms, stop)
        return [len(found[at]) for at in range(len(ranges))]

    def _all(
        self, ranges: Sequence[ByteRange], rooms: Sequence[Room], stop: threading.Event | None
    ) -> dict[int, Came]:
        found: dict[int, Came] = {at: b"" for at, item in enumerate(ranges) if item.end <= item.start}
        missing = [at for at in range(len(ranges)) if at not in found]
        with self._budget.held(sum(ranges[at].end - ranges[at].start for at in missing), stop):
            while missing:
                scheme = scheme_of(ranges[missing[0]].url)
                same = [at for at in missing if scheme_of(ranges[at].url) == scheme]
                self._cat_some(ranges, rooms, same, found, stop)
                missing = [at for at in missing if at not in found]
        return found

    def _cat_some(
        self,
        ranges: Sequence[ByteRange],
        rooms: Sequence[Room],
        which: list[int],
        found: dict[int, Came],
        stop: threading.Event | None,
    ) -> None:
        def once() -> None:
            # Ranges that arrived are kept over tries, so a storm of errors still makes progress.
            todo = [at for at in which if at not in found]
            failed: Exception | None = None
            came = self._answers([ranges[at] for at in todo], [rooms[at] for at in todo], stop)
            for at, answer in zip(todo, came, strict=True):
                if not isinstance(answer, Exception):
                    found[at] = answer
                else:
                    better = explained(answer, ranges[at].url, "read")
                    failed = failed if failed is not None and is_transient(better) else better
            if failed is not None:
                raise failed

        more = f" and {len(which) - 1} more ranges" if len(which) > 1 else ""
        self._retried("read", ranges[which[0]].url, once, stop, more)

    def _answers(
        self, ranges: Sequence[ByteRange], rooms: Sequence[Room], _: threading.Event | None
    ) -> list[Came | Exception]:
        """One try of reading ranges of one scheme: for each its bytes, in its room if it has one, or why it did not come."""
        system = self._system(ranges[0].url, "single")[0]
        paths = [system._strip_protocol(item.url) for item in ranges]
        starts, ends = [item.start for item in ranges], [item.end for item in ranges]
        came = system.cat_ranges(paths, starts, ends, max_gap=None, on_error="return")
        answers: list[Came | Exception] = []
        for item, room, answer in zip(ranges, rooms, came, strict=True):
            try:
                answers.append(placed(whole(system, item, answer), room))
            except Exception as error:
                answers.append(error)
        if any(isinstance(answer, Exception) and is_expired(answer) for answer in answers):
            self._renew(system)
        return answers

    def open(self, url: str) -> BinaryIO:
        return self._try("open", url, lambda system, path: cast(BinaryIO, system.open(path, "rb")))

    def list_objects(self, prefix: str) -> list[ObjectInfo]:
        return self._found("list", prefix, lambda system, path: system.find(path, detail=True))

    def glob(self, pattern: str) -> list[ObjectInfo]:
        return self._found("glob", pattern, lambda system, path: system.glob(path, detail=True))

    def _found(
        self, action: str, url: str, call: Callable[[Any, str], dict[str, dict[str, Any]]]
    ) -> list[ObjectInfo]:
        scheme = scheme_of(url)

        def infos(system: Any, path: str) -> list[ObjectInfo]:
            entries = [entry for entry in call(system, path).values() if entry["type"] == "file"]
            named = [_info(url_of(scheme, entry["name"]), entry) for entry in entries]
            return sorted(named, key=lambda info: info.url)

        try:
            return self._try(action, url, infos)
        except StorageNotFoundError:
            return []

    def info(self, url: str) -> ObjectInfo:
        return self._try("size of", url, lambda system, path: _info(canonical(url), system.info(path)))

    def size(self, url: str) -> int:
        return self.info(url).size

    def exists(self, url: str) -> bool:
        try:
            self.size(url)
        except StorageNotFoundError:
            return False
        return True

    def put(self, url: str, data: bytes) -> None:
        if scheme_of(url) == "file":
            self._try("write", url, lambda _, path: local_write.replace(path, data))
        else:
            self._try("write", url, lambda system, path: system.pipe_file(path, data))

    def put_if_absent(self, url: str, data: bytes) -> bool:
        if scheme_of(url) == "file":
            return self._try("write", url, lambda _, path: local_write.create(path, data))
        if scheme_of(url) == "memory":
            return self._create_in_memory(*self._system(url, "single"), data)

        def once(system: Any, path: str) -> bool:
            try:
                system.pipe_file(path, data, mode="create")
            except Exception as error:
                if http_status(error) != 412 and not isinstance(error, FileExistsError):
                    raise
                # An earlier try may have written it and lost the answer. The HTTP client repeats requests on
                # kept connections by itself, so counting tries here would not tell.
                return bytes(system.cat_file(path)) == data
            return True

        return self._try("create", url, once)

    def _create_in_memory(self, system: Any, path: str, data: bytes) -> bool:
        with _memory_lock:
            if system.exists(path):
                return False
            system.pipe_file(path, data)
        return True

    def delete(self, url: str) -> None:
        try:
            self._try("delete", url, lambda system, path: system.rm_file(path))
        except StorageNotFoundError:
            return


def _info(url: str, entry: dict[str, Any]) -> ObjectInfo:
    version = entry.get("ETag") or entry.get("etag") or entry.get("mtime") or entry.get("created") or ""
    return ObjectInfo(url, int(entry["size"]), str(version).strip('"'))
