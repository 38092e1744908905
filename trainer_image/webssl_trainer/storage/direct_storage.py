"""Reads from object storage through libcurl (S3) or obstore (others); all else, and what they can not do, through fsspec.

A request of 60 KB costs a fifth of the processor time that it costs through s3fs, which matters where each sample is
a request of its own. Patience, causes and messages are those of `FsspecStorage`: this changes how one try is made.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from webssl_trainer.storage import az_direct, curl_loop, gs_direct, range_reads
from webssl_trainer.storage.addresses import REMOTE, bucket_and_key, scheme_of
from webssl_trainer.storage.answers import Room, placed
from webssl_trainer.storage.classify import http_status, is_expired, retry_cause
from webssl_trainer.storage.direct_answers import ElsewhereError
from webssl_trainer.storage.direct_clients import DirectClient, DirectClients
from webssl_trainer.storage.errors import WrongLengthError
from webssl_trainer.storage.fsspec_storage import FsspecStorage
from webssl_trainer.storage.hedging import Hedges
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.protocol import ByteRange, Came
from webssl_trainer.storage.range_reads import RangeReads, Wanted
from webssl_trainer.storage.s3_direct import S3Clients

_CLIENTS: dict[str, Callable[[StorageOptions], DirectClients]] = {
    "s3": S3Clients,
    "gs": gs_direct.clients,
    "az": az_direct.clients,
}


def _wanted(client: DirectClient, item: ByteRange, room: Room) -> Wanted:
    """A read as `RangeReads` takes it. Two requests can not share a room, so the second has memory of its own."""
    ask = partial(client.range, bucket_and_key(item.url)[1], item.start, item.end)
    return Wanted(partial(ask, room), item.end - item.start, ask)


class DirectStorage(FsspecStorage):
    """`FsspecStorage` whose reads from object storages other clients make, each on one thread of the process; see `S3Clients.client`.

    A read that is slower than nearly all is asked for twice (`hedging`). Safe for several threads. In a process that
    was forked from one that had read already, it is `FsspecStorage`.
    """

    def _reset(self) -> None:
        super()._reset()
        self._clients: dict[str, DirectClients] = {}
        self._reads: dict[str, RangeReads] = {}
        self._apart: dict[str, Counter[str]] = {"retries": Counter(), "hedges": Counter()}
        self.direct_reads = 0

    @property
    def retry_causes(self) -> Mapping[str, int]:
        return dict(Counter(super().retry_causes) + self._apart["retries"])

    @property
    def hedges(self) -> Mapping[str, int]:
        """Second requests since the start of this process: `sent`, and `won`, whose answer was used."""
        with self._lock:
            made = [reads.hedges for reads in self._reads.values()]
            apart = self._apart["hedges"]
        return {
            "sent": sum(one.sent for one in made) + apart["sent"],
            "won": sum(one.won for one in made) + apart["won"],
        }

    def count_apart(self, retries: Mapping[str, int], hedges: Mapping[str, int]) -> None:
        """Counts what a reading process did for this one; see `reads_apart`."""
        with self._lock:
            self._apart = {
                "retries": self._apart["retries"] + Counter(retries),
                "hedges": self._apart["hedges"] + Counter(hedges),
            }

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if start is None and end is None and self._is_direct(url):
            return self._retried("read", url, partial(self._whole, url))
        return super().read(url, start, end)

    def _whole(self, url: str) -> bytes:
        """One try of reading an object whole."""
        client = self._client(url)
        if client is not None:
            wanted = Wanted(partial(client.whole, bucket_and_key(url)[1]), 0)
            (answer,) = self._engine(url, client).read_all([wanted])
            if not isinstance(answer, BaseException):
                return bytes(answer)
            error = self._noted(answer, url, client)
            if not isinstance(error, ElsewhereError):
                raise error
        system, path = self._system(url, "single")
        return bytes(system.cat_file(path))

    def _answers(
        self, ranges: Sequence[ByteRange], rooms: Sequence[Room], stop: threading.Event | None
    ) -> list[Came | Exception]:
        direct = {
            at: found for at, item in enumerate(ranges) if (found := self._client(item.url)) is not None
        }
        wanted = [_wanted(client, ranges[at], rooms[at]) for at, client in direct.items()]
        # All ranges of a call are of one scheme.
        engine = next((self._engine(ranges[at].url, client) for at, client in direct.items()), None)
        came = engine.read_all(wanted, stop) if engine else []
        answers: dict[int, Came | Exception] = {}
        for (at, client), answer in zip(direct.items(), came, strict=True):
            checked = self._checked(ranges[at], rooms[at], client, answer)
            if not isinstance(checked, ElsewhereError):
                answers[at] = checked
        with self._lock:
            self.direct_reads += sum(not isinstance(answer, Exception) for answer in answers.values())
        rest = [at for at in range(len(ranges)) if at not in answers]
        if rest:
            others = super()._answers([ranges[at] for at in rest], [rooms[at] for at in rest], stop)
            answers.update(zip(rest, others, strict=True))
        return [answers[at] for at in range(len(ranges))]

    def _checked(self, wanted: ByteRange, room: Room, client: DirectClient, answer: Any) -> Came | Exception:
        """The bytes of an answer if it has the length that it must have; none behind the end of the object."""
        if isinstance(answer, BaseException):
            error = self._noted(answer, wanted.url, client)
            return b"" if http_status(error) == 416 else error
        length = wanted.end - wanted.start
        if len(answer) < length:
            # A short answer is right at the end of an object; its size is asked for apart from the answer.
            key = bucket_and_key(wanted.url)[1]
            (size,) = self._engine(wanted.url, client).read_all([Wanted(partial(client.size, key), 0)])
            if isinstance(size, BaseException):
                return self._noted(size, wanted.url, client)
            length = max(0, min(size, wanted.end) - wanted.start)
        if len(answer) != length:
            return WrongLengthError(f"{wanted.url}: {len(answer)} bytes came where {length} belong")
        return placed(answer, room)

    def _noted(self, error: BaseException, url: str, client: DirectClient) -> Exception:
        """The error in the terms of `direct_answers`, after what it says of keys and buckets is known to the next try."""
        error = client.understood(error)
        if is_expired(error):
            self._known_clients(url).expired(client)
        if isinstance(error, ElsewhereError):
            self._known_clients(url).lives_elsewhere(url)
        return error if isinstance(error, Exception) else RuntimeError(str(error))

    def _is_direct(self, url: str) -> bool:
        alive = curl_loop.usable_here() and range_reads.usable_here()
        return scheme_of(url) in REMOTE and alive and os.getpid() == self._owner

    def _client(self, url: str) -> DirectClient | None:
        return self._known_clients(url).client(url) if self._is_direct(url) else None

    def _known_clients(self, url: str) -> DirectClients:
        scheme = scheme_of(url)
        with self._lock:
            if scheme not in self._clients:
                self._clients[scheme] = _CLIENTS[scheme](self.options)
            return self._clients[scheme]

    def _engine(self, url: str, client: DirectClient) -> RangeReads:
        scheme = scheme_of(url)
        with self._lock:
            if scheme not in self._reads:

                def throttles(error: BaseException) -> bool:
                    return retry_cause(client.understood(error)) == "throttled"

                hedges = Hedges(self.options.hedging)
                self._reads[scheme] = RangeReads(self.options.connections, hedges, throttles, client.loop())
            return self._reads[scheme]
