"""When a slow read is asked for twice: a function of what was seen and of the time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.storage.hedging import HedgePolicy, Hedges, Seen, may_hedge, size_class, slow_after

POLICY = HedgePolicy()
seconds = st.floats(0.0001, 100)
seen = st.builds(
    Seen,
    st.integers(0, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**5),
    st.integers(0, 10**8),
    st.integers(0, 8),
    st.none() | st.floats(0, 1000),
)


@given(st.lists(seconds, max_size=300), st.floats(0.5, 0.99))
def test_slow_is_longer_than_nearly_all_recent_reads(took: list[float], quantile: float) -> None:
    policy = HedgePolicy(quantile=quantile)
    slow = slow_after(took, policy)
    if len(took) < policy.least_seen:
        assert slow is None
        return
    assert slow is not None
    assert slow >= policy.shortest
    assert sum(one > slow for one in took) <= (1 - quantile) * len(took) + 1


@given(st.lists(seconds, min_size=32, max_size=100), st.randoms())
def test_the_order_in_which_reads_ended_does_not_matter(took: list[float], chance: random.Random) -> None:
    mixed = list(took)
    chance.shuffle(mixed)
    assert slow_after(took, POLICY) == slow_after(mixed, POLICY)


@given(st.integers(1, 10**7), st.floats(0, 200), st.none() | seconds, seen, st.floats(0, 2000))
def test_what_is_asked_twice_is_slow_within_the_share_and_not_throttled(
    length: int, age: float, slow: float | None, known: Seen, now: float
) -> None:
    if may_hedge(length, age, slow, known, now, POLICY):
        assert slow is not None
        assert age >= slow
        assert known.hedges + 1 <= POLICY.share * known.requests
        assert known.asked_twice + length <= POLICY.share * known.asked
        assert known.outstanding < POLICY.most_at_once
        assert known.throttled is None or now - known.throttled >= POLICY.calm_seconds
    else:
        bounds = (
            slow is None or age < slow,
            known.hedges + 1 > POLICY.share * known.requests,
            known.asked_twice + length > POLICY.share * known.asked,
            known.outstanding >= POLICY.most_at_once,
            known.throttled is not None and now - known.throttled < POLICY.calm_seconds,
        )
        assert any(bounds)


def test_after_the_storage_said_slow_down_nothing_is_asked_twice_for_half_a_minute() -> None:
    hedges = warm()
    assert hedges.due(60_000, 9.0, now=100.0)
    hedges.throttled(100.0)
    assert not hedges.due(60_000, 9.0, now=100.0)
    assert not hedges.due(60_000, 20.0, now=129.0)
    assert hedges.due(60_000, 21.0, now=130.0)


def test_a_large_read_among_many_small_ones_is_not_asked_for_twice() -> None:
    hedges = warm()
    for _ in range(40):
        hedges.asked(12 << 20)
        hedges.came(12 << 20, 0.1)
    assert hedges.due(12 << 20, age=9.0, now=0.0)
    hedges.hedged(12 << 20)
    hedges.hedged(12 << 20)
    assert not hedges.due(12 << 20, age=9.0, now=0.0)
    assert hedges.due(60_000, age=9.0, now=0.0)


def test_a_share_of_nothing_turns_it_off() -> None:
    assert not may_hedge(1, 99.0, 0.1, Seen(requests=10**9, asked=10**12), 0.0, HedgePolicy(share=0.0))


def warm(reads: int = 200) -> Hedges:
    """After so many reads of 60 KB in 10 ms."""
    hedges = Hedges()
    for _ in range(reads):
        hedges.asked(60_000)
        hedges.came(60_000, 0.01)
    return hedges


@pytest.mark.parametrize(
    ("length", "slow"), [(60_000, True), (50_000, True), (1_000_000, False), (500, False)]
)
def test_reads_are_compared_with_reads_of_their_size(length: int, slow: bool) -> None:
    assert warm().due(length, age=1.0, now=0.0) is slow


@given(st.integers(1, 1 << 40))
def test_a_class_of_sizes_spans_a_factor_of_four(length: int) -> None:
    assert size_class(4 * length) == size_class(length) + 1
    assert size_class(length) <= size_class(length + 1)


@given(st.lists(st.sampled_from(["ask", "come", "hang", "hedge", "lost"]), max_size=400))
def test_whatever_happens_no_more_than_one_in_twenty_requests_is_a_second_one(events: list[str]) -> None:
    hedges, under_way = warm(40), 0
    for event in events:
        if event == "ask":
            hedges.asked(60_000)
        elif event == "come":
            hedges.came(60_000, 0.01)
        elif event == "hang":
            hedges.came(60_000, 5.0)
        elif event == "hedge" and hedges.due(60_000, 60.0, now=0.0):
            hedges.hedged(60_000)
            under_way += 1
        elif event == "lost" and under_way:
            hedges.hedge_ended(won=False)
            under_way -= 1
        assert hedges.sent <= 0.05 * hedges.seen.requests
        assert hedges.seen.asked_twice <= 0.05 * hedges.seen.asked
        assert hedges.seen.outstanding == under_way <= POLICY.most_at_once


def test_a_storage_that_becomes_slow_as_a_whole_is_what_is_usual_soon() -> None:
    hedges = warm()
    before = hedges.slow(60_000)
    for _ in range(64):
        hedges.asked(60_000)
        hedges.came(60_000, 1.0)
    after = hedges.slow(60_000)
    assert before is not None
    assert after is not None
    assert before < 0.1
    assert after >= 2.0
