"""Retrying: how long, how often, and what is not tried again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from statistics import correlation

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.storage.errors import StorageStoppedError, StorageUnavailableError
from webssl_trainer.storage.retry import Retrier, RetryPolicy, Waiting, next_pause


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def retrier(clock: Clock, total: float = 600.0) -> Retrier:
    waiting = Waiting(clock=clock, draw=lambda: 0.5, sleep=clock.sleep)
    return Retrier(
        RetryPolicy(total_seconds=total), lambda error: isinstance(error, ConnectionError), waiting
    )


@pytest.mark.parametrize("outage", [1.0, 20.0, 60.0, 300.0])
def test_an_outage_shorter_than_the_budget_is_outlasted(outage: float) -> None:
    clock = Clock()

    def read() -> str:
        if clock.now < outage:
            raise ConnectionRefusedError("gone")
        return "bytes"

    assert retrier(clock).run(read, "read s3://b/k") == "bytes"
    assert outage <= clock.now <= outage + 10.0


def test_an_outage_longer_than_the_budget_names_the_url_and_the_last_error() -> None:
    clock = Clock()

    def read() -> str:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(StorageUnavailableError, match=r"read s3://b/k.*nobody listens.*check that") as caught:
        retrier(clock, total=30.0).run(read, "read s3://b/k")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert clock.now <= 30.0


def test_an_error_that_does_not_pass_is_raised_at_once() -> None:
    clock = Clock()
    calls = []

    def read() -> str:
        calls.append(1)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        retrier(clock).run(read, "read")
    assert len(calls) == 1
    assert clock.now == 0.0


def test_a_set_stop_event_ends_the_waiting() -> None:
    stop = threading.Event()

    def read() -> str:
        stop.set()
        raise ConnectionRefusedError("gone")

    with pytest.raises(StorageStoppedError):
        retrier(Clock()).run(read, "read", stop)


fractions = st.floats(0, 1, exclude_max=True)
policies = st.builds(RetryPolicy, st.just(600.0), st.floats(0.001, 10), st.floats(0.001, 60))


def pauses(policy: RetryPolicy, draws: Iterable[float]) -> list[float]:
    """The pauses of one process."""
    return list(accumulate(draws, lambda previous, draw: next_pause(previous, policy, draw), initial=0.0))[1:]


@given(policy=policies, draws=st.lists(fractions, min_size=1, max_size=60))
def test_no_pause_leaves_its_bounds_and_none_is_more_than_three_times_the_one_before(
    policy: RetryPolicy, draws: list[float]
) -> None:
    shortest, previous = min(policy.first_delay, policy.longest_delay), 0.0
    for pause in pauses(policy, draws):
        assert shortest <= pause <= policy.longest_delay
        assert pause <= 3 * max(previous, shortest) * (1 + 1e-9)
        previous = pause


@given(policy=policies, previous=st.floats(0, 60), draws=st.tuples(fractions, fractions))
def test_a_larger_draw_is_a_longer_pause_also_where_the_bound_is_reached(
    policy: RetryPolicy, previous: float, draws: tuple[float, float]
) -> None:
    low, high = sorted(draws)
    first, second = (next_pause(previous, policy, draw) for draw in (low, high))
    assert first <= second
    if high - low > 1e-6 and policy.longest_delay > 1.01 * policy.first_delay:
        assert first < second


def test_a_thousand_processes_that_fail_together_spread_over_the_seconds_and_stay_spread() -> None:
    policy, draw = RetryPolicy(), random.Random(5)
    everyone = [pauses(policy, [draw.random() for _ in range(30)]) for _ in range(1000)]
    for tries in (8, 15, 30):
        last = Counter(int(own[tries - 1] * 10) for own in everyone)  # by tenths of a second
        assert len(last) > 40
        assert max(last.values()) < 100
        arrivals = Counter(int(sum(own[:tries])) for own in everyone)  # by seconds since the server was lost
        assert max(arrivals.values()) < 250
    # Eight tries on, a pause says nothing more about the next ones.
    assert abs(correlation([own[20] for own in everyone], [own[28] for own in everyone])) < 0.1


def test_pauses_grow_until_the_bound() -> None:
    policy = RetryPolicy()
    assert pauses(policy, [0.0] * 5) == [policy.first_delay] * 5
    grown = pauses(policy, [0.9] * 12)
    assert grown == sorted(grown)
    assert grown[-1] > 0.85 * policy.longest_delay
