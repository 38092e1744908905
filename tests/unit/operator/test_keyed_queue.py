"""The queue: each run at most once in it, one pass per run at a time, no wake-up lost."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from webssl_operator.wakeups.keyed_queue import KeyedQueue


async def test_a_key_is_in_the_queue_once() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    for key in "aab":
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.take(), await queue.take()] == ["a", "b"]


async def test_a_key_that_is_woken_during_its_pass_is_handed_out_again_after_it() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("a")
    key = await queue.take()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.take() == "a"


async def test_a_worker_waits_until_there_is_something() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.add("a")
    assert await taking == "a"


async def test_a_delayed_wake_up_replaces_the_one_before() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add_at("a", 1000)
    queue.add_at("a", 0)
    assert await queue.take() == "a"


async def test_wake_ups_that_come_together_make_one() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    for _ in range(5):
        queue.add_soon("a", 0.01)
    assert len(queue) == 0
    assert await queue.take() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_more_urgent_wake_up_brings_the_gathered_ones_forward() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add_soon("a", 1000)
    queue.add_soon("a", 0)
    queue.add_soon("a", 1000)
    assert await queue.take() == "a"


async def test_back_off_doubles_up_to_its_bound_and_starts_anew_after_success() -> None:
    queue: KeyedQueue[str] = KeyedQueue(first=0.5, longest=3.0)
    assert [queue.add_after_failure("a") for _ in range(4)] == [0.5, 1.0, 2.0, 3.0]
    assert queue.add_after_failure("b") == 0.5
    queue.succeeded("a")
    assert queue.add_after_failure("a") == 0.5
    queue.close()


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done"]), st.integers(0, 3)), max_size=60))
def test_no_key_is_ever_with_two_workers_and_none_is_forgotten(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        queue: KeyedQueue[int] = KeyedQueue()
        working: set[int] = set()
        due: set[int] = set()
        for what, key in steps:
            if what == "add":
                queue.add(key)
                due.add(key)
            elif what == "take" and len(queue):
                taken = await queue.take()
                assert taken not in working
                working.add(taken)
                due.discard(taken)
            elif what == "done" and key in working:
                working.discard(key)
                queue.done(key)
        for key in working:
            queue.done(key)
        assert {await queue.take() for _ in range(len(queue))} == due

    asyncio.run(play())
