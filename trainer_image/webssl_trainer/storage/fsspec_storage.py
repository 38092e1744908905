"""One storage over fsspec: S3 through s3fs, local files, and memory, by the scheme of each URL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, TypeVar, cast

import fsspec
import s3fs

from webssl_trainer.errors import UserError
from webssl_trainer.storage import local_write
from webssl_trainer.storage.answers import whole
from webssl_trainer.storage.classify import explained, http_status, is_expired, is_transient, retry_cause
from webssl_trainer.storage.errors import StorageNotFoundError
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.protocol import ByteRange, ObjectInfo
from webssl_trainer.storage.retry import Retrier, Waiting

T = TypeVar("T")
# The memory file system looks and writes in two steps, and is shared by all instances of a process.
_memory_lock = threading.Lock()
SCHEMES = ("s3", "file", "memory")


def scheme_of(url: str) -> str:
    """Scheme of a URL; a plain path is a file.

    Raises:
        UserError: the scheme is not one of `SCHEMES`.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    if scheme not in SCHEMES:
        raise UserError(f"{url}: unknown storage scheme {scheme!r}; use one of {', '.join(SCHEMES)}")
    return scheme


def join(base: str, *parts: str) -> str:
    """URL of `parts` under `base`."""
    return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])


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
                self._filesystems[name] = self._made(scheme, kind)
            system = self._filesystems[name]
        return system, cast(str, system._strip_protocol(url))

    def _made(self, scheme: str, kind: Literal["patient", "single"]) -> Any:
        system = fsspec.filesystem(scheme, **self._arguments(scheme))
        if scheme == "s3":
            s3fs.core.set_custom_error_handler(is_transient)
            # s3fs pauses 0.1 s * 1.7**try, at most 15 s: 20 tries outlast a server that is gone for 3 minutes.
            system.retries = 1 if kind == "single" else 20
        return system

    def _renew(self, expired: Any) -> None:
        """Forgets clients with expired keys: new ones look for keys again, in files and with providers that rotate them."""
        with self._lock:
            if any(system is expired for system in self._filesystems.values()):
                self._filesystems = {name: s for name, s in self._filesystems.items() if name[:3] != "s3/"}

    def _arguments(self, scheme: str) -> dict[str, Any]:
        if scheme != "s3":
            return {}
        options = self.options
        client = {"region_name": options.region} if options.region else {}
        return {
            "endpoint_url": options.endpoint,
            "client_kwargs": client,
            "config_kwargs": {
                "connect_timeout": options.connect_timeout,
                "read_timeout": options.read_timeout,
                "max_pool_connections": options.connections,
                # The retry budget is ours: one layer decides, and one layer logs.
                "retries": {"total_max_attempts": 1},
                "s3": {"addressing_style": "path" if options.endpoint else "auto"},
            },
            "use_listings_cache": False,
            "skip_instance_cache": True,
        }

    def _try(
        self,
        action: str,
        url: str,
        call: Callable[[Any, str], T],
        stop: threading.Event | None = None,
        label: str = "",
    ) -> T:
        def once() -> T:
            system, path = self._system(url, "single")
            try:
                return call(system, path)
            except Exception as error:
                if is_expired(error):
                    self._renew(system)
                raise

        try:
            return self._retrier.run(once, f"{action} {label or url}", stop)
        except Exception as error:
            better = explained(error, url, action)
            if better is error:
                raise
            raise better from error

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if start is not None and end is not None and end <= start:
            return b""

        def once(system: Any, path: str) -> bytes:
            if start is None or end is None:
                return cast(bytes, system.cat_file(path, start=start, end=end))
            answer: bytes | Exception
            try:
                answer = system.cat_file(path, start=start, end=end)
            except OSError as error:
                answer = error
            return whole(system, ByteRange(url, start, end), answer)

        return self._try("read", url, once)

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        found: dict[int, bytes] = {at: b"" for at, item in enumerate(ranges) if item.end <= item.start}
        missing = [at for at in range(len(ranges)) if at not in found]
        while missing:
            scheme = scheme_of(ranges[missing[0]].url)
            same = [at for at in missing if scheme_of(ranges[at].url) == scheme]
            self._cat_some(ranges, same, found, stop)
            missing = [at for at in missing if at not in found]
        return [found[at] for at in range(len(ranges))]

    def _cat_some(
        self,
        ranges: Sequence[ByteRange],
        which: list[int],
        found: dict[int, bytes],
        stop: threading.Event | None,
    ) -> None:
        def once(system: Any, _: str) -> None:
            # Ranges that arrived are kept over tries, so a storm of errors still makes progress.
            todo = [at for at in which if at not in found]
            paths = [system._strip_protocol(ranges[at].url) for at in todo]
            starts, ends = [ranges[at].start for at in todo], [ranges[at].end for at in todo]
            answers = system.cat_ranges(paths, starts, ends, max_gap=None, on_error="return")
            failed: Exception | None = None
            for at, answer in zip(todo, answers, strict=True):
                try:
                    found[at] = whole(system, ranges[at], answer)
                except Exception as error:
                    better = explained(error, ranges[at].url, "read")
                    failed = failed if failed is not None and is_transient(better) else better
            if failed is not None:
                raise failed

        first = ranges[which[0]].url
        label = first + (f" and {len(which) - 1} more ranges" if len(which) > 1 else "")
        self._try("read", first, once, stop, label)

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
            except OSError as error:
                if http_status(error) != 412:
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
    version = entry.get("ETag") or entry.get("mtime") or entry.get("created") or ""
    return ObjectInfo(url, int(entry["size"]), str(version).strip('"'))


def url_of(scheme: str, path: str) -> str:
    """URL of a path as fsspec lists it."""
    return f"{scheme}://{path}"


def canonical(url: str) -> str:
    """The one spelling of a URL, the same that listings give (absolute paths for files).

    Raises:
        UserError: unknown scheme.
    """
    scheme = scheme_of(url)
    return url_of(scheme, fsspec.get_filesystem_class(scheme)._strip_protocol(url))
