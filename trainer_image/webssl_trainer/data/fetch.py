"""Reading many small pieces of shards as few range requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from webssl_trainer.data.small_set import RangeReader
from webssl_trainer.storage import ByteRange, StorageNotFoundError

MAX_GAP = 64 << 10
MAX_REQUEST = 16 << 20


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
class Fetched:
    """Wanted pieces in order (None where the object is gone or ends early), and the bytes that were read."""

    pieces: list[bytes | None]
    bytes_read: int


def fetch(storage: RangeReader, wanted: Sequence[ByteRange], stop: threading.Event | None = None) -> Fetched:
    """Reads all wanted pieces.

    Raises:
        StorageDeniedError, StorageUnavailableError, StorageStoppedError: see the storage.
    """
    requests, places = coalesce(wanted)
    try:
        answers: list[bytes | None] = list(storage.cat_ranges(requests, stop))
    except StorageNotFoundError:
        answers = [_one(storage, request, stop) for request in requests]
    pieces: list[bytes | None] = []
    for piece, place in zip(wanted, places, strict=True):
        answer, length = answers[place.request], piece.end - piece.start
        data = None if answer is None else answer[place.start : place.start + length]
        pieces.append(data if data is not None and len(data) == length else None)
    return Fetched(pieces, sum(len(answer) for answer in answers if answer is not None))


def _one(storage: RangeReader, request: ByteRange, stop: threading.Event | None) -> bytes | None:
    try:
        return storage.cat_ranges([request], stop)[0]
    except StorageNotFoundError:
        return None
