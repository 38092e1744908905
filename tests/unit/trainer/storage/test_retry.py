"""Retrying: how long, how often, and what is not tried again."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.storage.errors import StorageStoppedError, StorageUnavailableError
from webssl_trainer.storage.retry import Retrier, RetryPolicy, Waiting, pause_before


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


@given(attempt=st.integers(0, 10_000), fraction=st.floats(0, 1, exclude_max=True))
def test_pauses_stay_between_half_the_bound_and_the_bound(attempt: int, fraction: float) -> None:
    policy = RetryPolicy()
    pause = pause_before(attempt, policy, fraction)
    assert policy.first_delay / 2 <= pause <= policy.longest_delay


def test_two_processes_with_other_draws_pause_differently() -> None:
    policy = RetryPolicy()
    assert pause_before(3, policy, 0.1) != pause_before(3, policy, 0.9)
