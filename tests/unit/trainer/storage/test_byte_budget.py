"""Back pressure: reads wait for their turn rather than for memory."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.storage import ByteRange, FsspecStorage, StorageOptions, StorageStoppedError
from webssl_trainer.storage.byte_budget import ByteBudget, shared_budget

LONG = 120.0
"""Seconds that only a real failure takes."""


class Reader:
    """A read on a thread of its own, which ends when it is told to."""

    def __init__(self, budget: ByteBudget, count: int) -> None:
        self.began, self._end, self.count = threading.Event(), threading.Event(), count
        self._thread = threading.Thread(target=self._run, args=(budget,))
        self._thread.start()

    def _run(self, budget: ByteBudget) -> None:
        with budget.held(self.count):
            self.began.set()
            self._end.wait(LONG)

    def end(self) -> None:
        self._end.set()
        self._thread.join(LONG)
        assert not self._thread.is_alive()


def reader(budget: ByteBudget, count: int) -> Reader:
    """One whose place in the line is taken."""
    before = line(budget)
    made = Reader(budget, count)
    while not made.began.is_set() and line(budget) == before:
        time.sleep(0.001)
    return made


def line(budget: ByteBudget) -> int:
    """How many wait. Under the lock: one that may begin at once is in the line for the length of a call."""
    with budget._lock:
        return len(budget._waiting)


def settled(readers: list[Reader]) -> list[bool]:
    """Which have begun. Of some that may begin at once a later thread can be the first to say so; nobody ends meanwhile."""
    until = time.monotonic() + LONG
    while True:
        began = [one.began.is_set() for one in readers]
        if began == sorted(began, reverse=True) or time.monotonic() > until:
            return began
        time.sleep(0.001)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 150), min_size=1, max_size=8), st.integers(1, 100))
def test_reads_begin_in_the_order_in_which_they_came_and_never_hold_more_than_the_limit(
    counts: list[int], limit: int
) -> None:
    budget = ByteBudget(limit)
    readers = [reader(budget, count) for count in counts]
    for at, one in enumerate(readers):
        assert one.began.wait(LONG)
        began = settled(readers)
        assert began == sorted(began, reverse=True)
        held = sum(min(limit, r.count) for r, b in list(zip(readers, began, strict=True))[at:] if b)
        assert held <= limit
        one.end()
    assert budget.used == 0


def test_a_read_larger_than_the_budget_runs_alone() -> None:
    budget = ByteBudget(10)
    small, large, next_one = reader(budget, 5), reader(budget, 1000), reader(budget, 1)
    assert [one.began.is_set() for one in (small, large, next_one)] == [True, False, False]
    small.end()
    assert large.began.wait(LONG)
    assert not next_one.began.is_set()
    large.end()
    assert next_one.began.wait(LONG)
    next_one.end()


def test_one_that_stops_waiting_makes_room_for_those_behind_it() -> None:
    budget, stop = ByteBudget(10), threading.Event()
    first = reader(budget, 10)
    stop.set()
    with pytest.raises(StorageStoppedError), budget.held(10, stop):
        pass
    second = reader(budget, 10)
    first.end()
    assert second.began.wait(LONG)
    second.end()
    assert budget.used == 0


def test_an_error_in_the_block_gives_the_bytes_back() -> None:
    budget = ByteBudget(10)
    with pytest.raises(KeyError), budget.held(10):
        raise KeyError
    assert budget.used == 0


def test_a_process_has_one_budget_for_all_its_storages() -> None:
    assert shared_budget(1 << 20) is shared_budget(1 << 20)
    with pytest.raises(ValueError, match="at least 1 byte"):
        ByteBudget(0)


def test_sixteen_threads_that_each_read_more_than_the_budget_all_come_to_their_bytes() -> None:
    body = bytes(range(256)) * 100
    storage = FsspecStorage(StorageOptions(bytes_in_flight=1000))
    storage.put("memory://budget/object", body)
    ranges = [ByteRange("memory://budget/object", at, at + 500) for at in range(0, 5000, 100)]
    came: list[list[bytes]] = []
    threads = [threading.Thread(target=lambda: came.append(storage.cat_ranges(ranges))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert came == [[body[item.start : item.end] for item in ranges]] * 16
