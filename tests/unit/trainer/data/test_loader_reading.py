"""What the loader reads and when: ahead within bounds, once where the set is small, and not after its close."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from webssl_trainer.data import load_or_build_index
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, FsspecStorage, Storage

from tests.unit.trainer.data.conftest import MakeSet
from tests.unit.trainer.data.loading import BROKEN, COUNT, Case


@pytest.fixture(scope="module")
def case(storage: Storage, make_set: MakeSet) -> Case:
    return Case(storage, load_or_build_index(storage, f"{make_set(COUNT, broken=BROKEN)}/*.tar"))


@pytest.fixture(scope="module")
def undisturbed(case: Case) -> list[list[tuple[Any, ...]]]:
    return case.steps(steps=8)


class GatedStorage(FsspecStorage):
    """A storage whose range reads wait until the gate opens, or the reader is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = 0

    def cat_ranges(self, ranges: Any, stop: threading.Event | None = None) -> list[bytes]:
        self.waiting += 1
        while not self.gate.is_set():
            if stop is not None and stop.wait(0.01):
                raise RuntimeError("stopped")
        return super().cat_ranges(ranges, stop)


def test_reading_ahead_is_bounded_and_ends_at_close(case: Case) -> None:
    gated, others = GatedStorage(), set(threading.enumerate())
    gated.gate.set()
    loader = Case(gated, case.index).loader(workers=1, prefetch=3, steps=None)
    next(loader)
    assert gated.waiting <= 4 + 3 + 4  # what was used, what is ahead, and stand-ins
    gated.gate.clear()
    loader.close()
    loader.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)
    for thread in set(threading.enumerate()) - others:
        if thread.name.startswith("batch-"):
            thread.join(60)
            assert not thread.is_alive()


def test_an_error_of_the_storage_reaches_the_caller_and_closes_the_loader(case: Case) -> None:
    class Refusing(FsspecStorage):
        def cat_ranges(self, ranges: list[ByteRange], stop: Any = None) -> list[bytes]:
            raise UserError("read s3://b/x: access denied")

    loader = Case(Refusing(), case.index).loader(workers=2)
    with pytest.raises(UserError, match="access denied"):
        next(loader)
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)


def test_counters_tell_bytes_and_waiting(case: Case) -> None:
    times = iter(range(1000))
    loader = case.loader(clock=lambda: float(next(times)), steps=2, keep_bytes=0)
    list(loader)
    assert loader.counters.data_wait_seconds == 8.0
    assert loader.counters.bytes_read >= loader.counters.bytes_used > 0


def test_a_small_set_is_read_once_and_a_large_one_by_sample(
    case: Case, undisturbed: list[list[tuple[Any, ...]]]
) -> None:
    size = sum(case.storage.size(shard) for shard in case.index.shards)
    kept, streamed = case.loader(steps=20, workers=2), case.loader(steps=20, workers=2, keep_bytes=1000)
    list(kept)
    list(streamed)
    twice = 100 * len(BROKEN)  # what does not decode is read once more
    assert case.index.span_bytes <= kept.counters.bytes_read <= size + twice
    assert streamed.counters.bytes_read > 2 * size
    assert case.steps(workers=1, keep_bytes=1000) == undisturbed[:4]
