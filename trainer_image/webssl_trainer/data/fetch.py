"""Reading many small pieces of shards as few range requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from webssl_trainer.data.causes import Cause, Lack
from webssl_trainer.data.small_set import RangeReader
from webssl_trainer.storage import (
    ByteRange,
    Came,
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
)

P = TypeVar("P", bound=Came)
MAX_GAP = 64 << 10
MAX_REQUEST = 16 << 20
GONE = Lack(Cause.MISSING_SHARD, "its bytes are gone: the shard was removed after it was indexed")
CUT = Lack(Cause.CUT_SHARD, "its bytes are gone: the shard was cut after it was indexed")


@dataclass(frozen=True)
class Place:
    """Where a wanted piece lies in the requests: which one, and from which byte on."""

    request: int
    start: int


def coalesce(
    wanted: Sequence[ByteRange], max_gap: int = MAX_GAP, max_bytes: int = MAX_REQUEST
) -> tuple[list[ByteRange], list[Place]]:
    """Requests that cover all wanted pieces, and where each piece lies in them.

    Neighbours in a shard share a request when at most `max_gap` unused bytes lie between them and the
    request stays within `max_bytes` (a single larger piece is one request).
    """
    requests: list[ByteRange] = []
    places: list[Place] = [Place(0, 0)] * len(wanted)
    for at in sorted(range(len(wanted)), key=lambda at: (wanted[at].url, wanted[at].start, wanted[at].end)):
        piece = wanted[at]
        last = requests[-1] if requests else None
        if (
            last is None
            or last.url != piece.url
            or piece.start - last.end > max_gap
            or max(last.end, piece.end) - last.start > max_bytes
        ):
            requests.append(piece)
        elif piece.end > last.end:
            requests[-1] = ByteRange(last.url, last.start, piece.end)
        places[at] = Place(len(requests) - 1, piece.start - requests[-1].start)
    return requests, places


@dataclass(frozen=True)
class Fetched(Generic[P]):
    """Wanted pieces in order, what those lack that are None, and the bytes that were read.

    read_again: 1 when a shard was missing or denied at first, and none was the second time.
    """

    pieces: list[P | None]
    bytes_read: int
    lacks: list[Lack | None]
    read_again: int = 0


def fetch(
    storage: RangeReader,
    wanted: Sequence[ByteRange],
    stop: threading.Event | None = None,
    skip_denied: bool = False,
) -> Fetched[bytes]:
    """`fetch_views`, each piece copied into memory of its own."""
    got = fetch_views(storage, wanted, stop, skip_denied)
    copied = [None if piece is None else bytes(piece) for piece in got.pieces]
    return Fetched(copied, got.bytes_read, got.lacks, got.read_again)


def fetch_views(
    storage: RangeReader,
    wanted: Sequence[ByteRange],
    stop: threading.Event | None = None,
    skip_denied: bool = False,
) -> Fetched[Came]:
    """Reads all wanted pieces; a piece is None where its object is gone or ends early, and may share the memory of others.

    Args:
        storage: what reads.
        wanted: the pieces.
        stop: ends the waiting for the storage.
        skip_denied: a piece is None, too, where its object may not be read while the keys as such are good.

    Raises:
        StorageDeniedError, StorageUnavailableError, StorageStoppedError: see the storage.
    """
    requests, places = coalesce(wanted)
    answers: list[Came | Lack]
    refused = False
    try:
        answers = list(storage.cat_ranges(requests, stop))
    except (StorageNotFoundError, StorageDeniedError) as error:
        if isinstance(error, StorageKeysError) or (isinstance(error, StorageDeniedError) and not skip_denied):
            raise
        refused = True
        answers = _by_shard(storage, requests, stop, skip_denied)
    pieces: list[Came | None] = []
    lacks: list[Lack | None] = []
    for piece, place in zip(wanted, places, strict=True):
        answer, length = answers[place.request], piece.end - piece.start
        data = _part(b"" if isinstance(answer, Lack) else answer, place.start, length)
        lack = answer if isinstance(answer, Lack) else CUT if len(data) < length else None
        pieces.append(data if lack is None else None)
        lacks.append(lack)
    came = [answer for answer in answers if not isinstance(answer, Lack)]
    passed = refused and len(came) == len(answers)
    return Fetched(pieces, sum(len(answer) for answer in came), lacks, int(passed))


def _part(answer: Came, start: int, length: int) -> Came:
    """A piece of an answer, not copied."""
    return answer if start == 0 and length == len(answer) else memoryview(answer)[start : start + length]


def _by_shard(
    storage: RangeReader, requests: Sequence[ByteRange], stop: threading.Event | None, skip_denied: bool
) -> list[Came | Lack]:
    """The requests once more, shard by shard, so that a bad shard costs its own samples only."""
    answers: dict[ByteRange, Came | Lack] = {}
    for url in dict.fromkeys(request.url for request in requests):
        mine = [request for request in requests if request.url == url]
        try:
            answers.update(zip(mine, storage.cat_ranges(mine, stop), strict=True))
        except StorageNotFoundError:
            answers.update(dict.fromkeys(mine, GONE))
        except StorageKeysError:
            raise
        except StorageDeniedError as error:
            if not skip_denied:
                raise
            answers.update(dict.fromkeys(mine, Lack(Cause.DENIED_SHARD, str(error)[:300])))
    return [answers[request] for request in requests]
