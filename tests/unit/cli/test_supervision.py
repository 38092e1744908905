"""What the no-cluster mode does when worker processes end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from webssl_api import exit_codes
from webssl_cli.local.supervision import (
    FAREWELL,
    LONGEST_PAUSE,
    Decision,
    Policy,
    Verdict,
    Worker,
    decide,
    pause,
)

POLICY = Policy(max_restarts=3, window=100.0)
ALIVE = Worker()


def test_while_all_run_nothing_is_done() -> None:
    assert decide({0: ALIVE, 1: ALIVE}, [], POLICY, now=5) == Decision()


def test_a_killed_worker_is_started_again_after_a_pause() -> None:
    workers = {0: ALIVE, 1: Worker(exit_code=-9, ended=10.0)}
    assert decide(workers, [10.0], POLICY, now=10.5).restart == ()
    assert decide(workers, [10.0], POLICY, now=11.0).restart == (1,)


def test_more_failures_than_allowed_within_the_window_end_the_run() -> None:
    workers = {0: ALIVE, 1: Worker(exit_code=1, ended=40.0)}
    decision = decide(workers, [10.0, 20.0, 30.0, 40.0], POLICY, now=41)
    assert decision.verdict is Verdict.FAILED
    assert decision.slot == 1
    assert "4 worker failures" in decision.reason
    assert "maxRestarts is 3" in decision.reason


def test_failures_before_the_window_are_forgiven() -> None:
    workers = {0: ALIVE, 1: Worker(exit_code=1, ended=200.0)}
    assert decide(workers, [10.0, 20.0, 30.0, 200.0], POLICY, now=201).restart == (1,)


def test_a_user_error_ends_the_run_at_once() -> None:
    workers = {0: ALIVE, 1: Worker(exit_code=exit_codes.USER_ERROR, ended=3.0)}
    decision = decide(workers, [3.0], POLICY, now=3)
    assert (decision.verdict, decision.slot) == (Verdict.FAILED, 1)


def test_the_run_is_complete_when_every_worker_says_so() -> None:
    done = Worker(exit_code=exit_codes.COMPLETE, ended=50.0)
    assert decide({0: done, 1: ALIVE}, [], POLICY, now=51).verdict is Verdict.GO_ON
    assert decide({0: done, 1: done}, [], POLICY, now=51).verdict is Verdict.COMPLETE


def test_a_worker_that_does_not_come_to_its_end_after_the_others_is_not_waited_for_for_ever() -> None:
    workers = {0: Worker(exit_code=exit_codes.COMPLETE, ended=50.0), 1: ALIVE}
    assert decide(workers, [], POLICY, now=50 + FAREWELL + 1).verdict is Verdict.COMPLETE


def test_nobody_is_started_again_once_one_worker_completed() -> None:
    workers = {0: Worker(exit_code=exit_codes.COMPLETE, ended=50.0), 1: Worker(exit_code=-9, ended=50.0)}
    decision = decide(workers, [50.0], POLICY, now=90)
    assert (decision.verdict, decision.restart) == (Verdict.COMPLETE, ())


@given(st.integers(0, 40))
def test_the_pause_grows_to_its_limit(failures: int) -> None:
    assert 1.0 <= pause(failures) <= pause(failures + 1) <= LONGEST_PAUSE


@given(
    st.dictionaries(
        st.integers(0, 7),
        st.builds(Worker, exit_code=st.sampled_from([None, 0, 1, 75, 78, -9, -15]), ended=st.floats(0, 50)),
        min_size=1,
    ),
    st.lists(st.floats(0, 50), max_size=12),
    st.floats(50, 200),
)
def test_only_dead_workers_are_started_and_only_while_the_run_goes_on(
    workers: dict[int, Worker], failures: list[float], now: float
) -> None:
    decision = decide(workers, failures, POLICY, now)
    assert all(workers[slot].exit_code is not None for slot in decision.restart)
    if decision.restart:
        assert decision.verdict is Verdict.GO_ON
    if decision.verdict is Verdict.FAILED:
        assert decision.reason
