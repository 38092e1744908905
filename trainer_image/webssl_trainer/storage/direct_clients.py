"""What the direct reads ask of a cloud's clients, and what is the same for all clouds."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

from webssl_trainer.storage.addresses import bucket_and_key
from webssl_trainer.storage.answers import Room
from webssl_trainer.storage.direct_answers import understood
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.range_reads import Loop, Request, loop_of_process
from webssl_trainer.storage.s3_keys import Keys

NEVER = timedelta(days=1)
RETRIES: dict[str, Any] = {"max_retries": 0, "retry_timeout": NEVER}
"""One layer decides on retries, counts them and logs them, and it is not obstore."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_IDLE = timedelta(seconds=30)


class DirectClient(Protocol):
    """A client of one bucket. Requests are begun on its loop, and are over when they are there or have failed."""

    @property
    def keys(self) -> Keys | None:
        """Of S3, those it signs with; None where it does not sign, or finds its own."""
        ...

    def loop(self) -> Loop:
        """Where its requests are made: one for all clients of a cloud."""
        ...

    def range(self, key: str, start: int, end: int, room: Room = None) -> Request:
        """Asks for bytes `[start, end)`; its result may be shorter at the end of the object, and may lie in `room`."""
        ...

    def whole(self, key: str) -> Request:
        """Asks for an object."""
        ...

    def size(self, key: str) -> Request:
        """Asks for the bytes that an object has."""
        ...

    def understood(self, error: BaseException) -> BaseException:
        """The error of a request in the terms of `direct_answers`."""
        ...


@dataclass(frozen=True)
class ObstoreClient:
    """A client that is a store of obstore."""

    store: Any
    keys: Keys | None = None

    def loop(self) -> Loop:
        return loop_of_process()

    def range(self, key: str, start: int, end: int, room: Room = None) -> Request:  # noqa: ARG002  (obstore has memory of its own; it is copied)
        import obstore

        # Declared as a coroutine, it is a future of the running loop, begun by the call.
        return cast("Request", obstore.get_range_async(self.store, key, start=start, end=end))

    def whole(self, key: str) -> Request:
        import obstore

        async def whole() -> Any:
            answer = await obstore.get_async(self.store, key)
            return await answer.bytes_async()

        return asyncio.ensure_future(whole())

    def size(self, key: str) -> Request:
        import obstore

        async def size() -> int:
            return int((await obstore.head_async(self.store, key))["size"])

        return asyncio.ensure_future(size())

    def understood(self, error: BaseException) -> BaseException:
        return understood(error)


class DirectClients(Protocol):
    """The clients of one cloud. Safe for several threads."""

    def client(self, url: str) -> DirectClient | None:
        """The client of an object's bucket; None where fsspec has to read it."""
        ...

    def expired(self, client: DirectClient) -> None:
        """The keys of this client have expired: look for newer ones."""
        ...

    def lives_elsewhere(self, url: str) -> None:
        """Leave the bucket of this object to fsspec from now on."""
        ...


def spelled_alike(url: str) -> bool:
    """Whether obstore spells a URL as fsspec does: a plain bucket, and a key without empty and dot segments."""
    bucket, key = bucket_and_key(url)
    plain = _BUCKET.fullmatch(bucket) is not None
    return plain and not any(part in {"", ".", ".."} for part in key.split("/"))


def client_options(options: StorageOptions) -> dict[str, Any]:
    """Options of the HTTP client: silence ends a request, its length does not."""
    return {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=options.connect_timeout),
        "read_timeout": timedelta(seconds=options.read_timeout),
        "timeout": NEVER,
        "pool_idle_timeout": _IDLE,
    }


class SelfSigning:
    """Clients that find their keys by themselves, where the cloud's own libraries find them, when they are made.

    Args:
        make: makes the client of a bucket; None, or an error, where only fsspec's library knows how.
    """

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._stores: dict[str, Any] = {}

    def client(self, url: str) -> DirectClient | None:
        """See `DirectClients`."""
        bucket = bucket_and_key(url)[0]
        if not spelled_alike(url):
            return None
        with self._lock:
            if bucket not in self._stores:
                try:
                    self._stores[bucket] = self._make(bucket)
                except (
                    Exception
                ):  # keys of a kind that obstore does not know; fsspec's library says what is wrong
                    self._stores[bucket] = None
            store = self._stores[bucket]
        return None if store is None else ObstoreClient(store)

    def expired(self, client: DirectClient) -> None:
        """See `DirectClients`."""
        with self._lock:
            self._stores = {
                name: store
                for name, store in self._stores.items()
                if store is not getattr(client, "store", None)
            }

    def lives_elsewhere(self, url: str) -> None:
        """See `DirectClients`."""
        with self._lock:
            self._stores[bucket_and_key(url)[0]] = None
