"""Few requests for many pieces."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.data.causes import Cause, Lack
from webssl_trainer.data.fetch import CUT, GONE, coalesce, fetch
from webssl_trainer.storage import (
    ByteRange,
    Storage,
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
)

PIECES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2000), st.integers(0, 300)).map(
        lambda item: ByteRange(item[0], item[1], item[1] + item[2])
    ),
    max_size=30,
)


@given(PIECES, st.integers(0, 200), st.integers(1, 1000))
def test_every_piece_lies_where_its_place_says(wanted: list[ByteRange], gap: int, most: int) -> None:
    requests, places = coalesce(wanted, gap, most)
    for piece, place in zip(wanted, places, strict=True):
        request = requests[place.request]
        assert request.url == piece.url
        assert request.start + place.start == piece.start
        assert piece.end <= request.end


@given(PIECES, st.integers(0, 200), st.integers(1, 1000))
def test_requests_stay_within_the_limit_unless_one_piece_is_larger(
    wanted: list[ByteRange], gap: int, most: int
) -> None:
    largest = max((piece.end - piece.start for piece in wanted), default=0)
    assert all(
        request.end - request.start <= max(most, largest) for request in coalesce(wanted, gap, most)[0]
    )


def test_neighbours_share_a_request_and_distant_pieces_do_not() -> None:
    wanted = [
        ByteRange("a", 100, 200),
        ByteRange("a", 0, 90),
        ByteRange("a", 5000, 5010),
        ByteRange("b", 0, 9),
    ]
    requests, _ = coalesce(wanted, max_gap=10, max_bytes=1000)
    assert requests == [ByteRange("a", 0, 200), ByteRange("a", 5000, 5010), ByteRange("b", 0, 9)]


def test_pieces_of_missing_and_short_objects_are_none_and_the_others_arrive(storage: Storage) -> None:
    base = f"memory:///{uuid.uuid4().hex}"
    storage.put(f"{base}/here", b"0123456789")
    got = fetch(
        storage,
        [ByteRange(f"{base}/gone", 0, 4), ByteRange(f"{base}/here", 2, 4), ByteRange(f"{base}/here", 8, 20)],
    )
    assert got.pieces == [None, b"23", None]
    assert got.lacks == [GONE, None, CUT]
    assert got.bytes_read == 8
    assert got.read_again == 0


class Refusing:
    """Raises `error` for one URL, the first `times` times."""

    def __init__(self, url: str, error: Exception, times: int) -> None:
        self.url, self.error, self.times = url, error, times

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        if self.times and any(item.url == self.url for item in ranges):
            self.times -= 1
            raise self.error
        return [item.url.encode() * (item.end - item.start) for item in ranges]


WANTED = [ByteRange("a", 0, 2), ByteRange("b", 0, 1)]


def test_a_shard_that_may_not_be_read_costs_its_pieces_where_that_is_wanted_and_is_an_error_elsewhere() -> (
    None
):
    denied = StorageDeniedError("b is denied")
    got = fetch(Refusing("b", denied, 9), WANTED, skip_denied=True)
    assert got.pieces == [b"aa", None]
    assert got.lacks == [None, Lack(Cause.DENIED_SHARD, "b is denied")]
    with pytest.raises(StorageDeniedError):
        fetch(Refusing("b", denied, 9), WANTED)


def test_keys_that_are_wrong_are_an_error_everywhere() -> None:
    with pytest.raises(StorageKeysError):
        fetch(Refusing("b", StorageKeysError("no such key"), 9), WANTED, skip_denied=True)


@pytest.mark.parametrize("error", [StorageDeniedError("x"), StorageNotFoundError("x")])
def test_a_refusal_that_passes_costs_nothing_and_is_counted(error: Exception) -> None:
    got = fetch(Refusing("b", error, 1), WANTED, skip_denied=True)
    assert (got.pieces, got.lacks, got.read_again) == ([b"aa", b"b"], [None, None], 1)
