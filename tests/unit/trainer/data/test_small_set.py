"""Chunks that are fetched once and kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.data.small_set import Fresh, KeptRanges
from webssl_trainer.storage import ByteRange

OBJECTS = {"a": bytes(range(256)) * 2, "b": b"xyz" * 30}


class Source:
    """Objects in memory, with a count of the ranges asked for."""

    def __init__(self) -> None:
        self.asked: list[ByteRange] = []
        self.broken = False

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        if self.broken:
            raise ConnectionError("gone")
        self.asked += ranges
        return [OBJECTS[item.url][item.start : item.end] for item in ranges]


RANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 89), st.integers(0, 400)).map(
        lambda item: ByteRange(item[0], item[1], item[1] + item[2])
    ),
    max_size=10,
)


@given(RANGES, st.integers(1, 100))
def test_the_bytes_are_those_of_the_source_and_no_chunk_comes_twice(
    ranges: list[ByteRange], chunk: int
) -> None:
    source = Source()
    kept = KeptRanges(source, chunk)
    for _ in range(2):
        assert kept.cat_ranges(ranges) == [OBJECTS[item.url][item.start : item.end] for item in ranges]
    assert len(source.asked) == len(set(source.asked))
    assert kept.bytes_read == sum(len(OBJECTS[item.url][item.start : item.end]) for item in source.asked)


def test_threads_that_want_one_chunk_fetch_it_once() -> None:
    source = Source()
    kept = KeptRanges(source, 64)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: kept.cat_ranges([ByteRange("a", at, at + 100)])[0], range(200)))
    assert answers == [OBJECTS["a"][at : at + 100] for at in range(200)]
    assert len(source.asked) == len(set(source.asked))


def test_an_error_is_raised_and_not_kept() -> None:
    source = Source()
    kept = KeptRanges(source, 64)
    source.broken = True
    with pytest.raises(ConnectionError):
        kept.cat_ranges([ByteRange("a", 0, 10)])
    source.broken = False
    assert kept.cat_ranges([ByteRange("a", 0, 10)]) == [OBJECTS["a"][:10]]


def test_a_caller_is_not_harmed_by_an_error_about_another_callers_chunk() -> None:
    class Gated(Source):
        """Fails for ranges of a missing object, once the gate is open."""

        gate = threading.Event()
        entered = threading.Event()

        def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
            if any(item.url == "missing" for item in ranges):
                self.entered.set()
                self.gate.wait(60)
                raise FileNotFoundError("missing")
            return super().cat_ranges(ranges, stop)

    source = Gated()
    kept = KeptRanges(source, 64)
    with ThreadPoolExecutor(2) as pool:
        harmed = pool.submit(kept.cat_ranges, [ByteRange("missing", 0, 5), ByteRange("a", 0, 5)])
        assert source.entered.wait(60)
        other = pool.submit(kept.cat_ranges, [ByteRange("a", 2, 9)])
        source.gate.set()
        assert other.result(60) == [OBJECTS["a"][2:9]]
        with pytest.raises(FileNotFoundError):
            harmed.result(60)


def test_what_is_forgotten_is_read_again_and_the_rest_is_not() -> None:
    source = Source()
    kept = KeptRanges(source, 64)
    kept.cat_ranges([ByteRange("a", 0, 256)])
    kept.forget([ByteRange("a", 70, 80), ByteRange("b", 0, 9)])
    assert kept.cat_ranges([ByteRange("a", 0, 256)]) == [OBJECTS["a"][:256]]
    assert source.asked[4:] == [ByteRange("a", 64, 128)]


def test_a_fresh_read_goes_past_what_is_kept_and_counts() -> None:
    source = Source()
    kept = KeptRanges(source, 64)
    kept.cat_ranges([ByteRange("a", 0, 10)])
    assert Fresh(kept).cat_ranges([ByteRange("a", 3, 9)]) == [OBJECTS["a"][3:9]]
    assert source.asked[-1] == ByteRange("a", 3, 9)
    assert kept.bytes_read == 64 + 6
