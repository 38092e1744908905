"""Tuned once by one of many pods: turns, waiting, and pods that die."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.suites.vqa.lease import Lease, LeaseLostError
from webssl_eval.suites.vqa.saved import SavedTuning, finished
from webssl_eval.suites.vqa.tuned import Waiting, tuned
from webssl_trainer.checkpoint.claims import FencedError
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.errors import UserError
from webssl_trainer.storage import open_storage

STEPS = 3


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def finish(uri: str) -> None:
    saved = SavedTuning(open_storage(), uri, Peers(), {"of": "test"}, 1)
    if not saved.finished:
        saved.finish({"weights": {"w": torch.ones(2)}}, STEPS)


def never() -> None:
    pytest.fail("trained")


def quiet(*_: object) -> None:
    pass


def test_one_pod_trains_and_later_ones_find_it(tmp_path):
    storage, uri = open_storage(), tmp_path.as_uri()
    assert tuned(storage, uri, lambda: finish(uri), lambda: (0, STEPS), quiet)
    assert not tuned(storage, uri, never, lambda: (0, STEPS), quiet)


def test_of_many_pods_at_once_exactly_one_trains_and_the_others_wait_with_its_progress(tmp_path):
    storage, uri = open_storage(), tmp_path.as_uri()
    told: list[tuple[str, int, int]] = []
    trained: list[bool] = []
    seen = threading.Event()

    def train() -> None:
        assert seen.wait(120)  # until somebody waits
        finish(uri)

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        if (done, total) == (2, STEPS):
            seen.set()

    def pod() -> None:
        waiting = Waiting(beat=0.02, poll=0.02)
        trained.append(tuned(storage, uri, train, lambda: (2, STEPS), progress, waiting))

    pods = [threading.Thread(target=pod) for _ in range(4)]
    for thread in pods:
        thread.start()
    for thread in pods:
        thread.join(240)
    assert sorted(trained) == [False, False, False, True]
    assert ("steps of another pod", 2, STEPS) in told


def test_the_next_pod_need_not_wait_for_one_that_failed(tmp_path):
    storage, uri = open_storage(), tmp_path.as_uri()

    def failing() -> None:
        raise UserError("the data is wrong")

    with pytest.raises(UserError):
        tuned(storage, uri, failing, lambda: (0, STEPS), quiet)
    pauses: list[float] = []
    assert tuned(storage, uri, lambda: finish(uri), lambda: (0, STEPS), quiet, Waiting(pause=pauses.append))
    assert pauses == []


def test_a_pod_that_died_is_replaced_after_a_silence_by_the_waiters_own_clock(tmp_path):
    storage, uri, clock = open_storage(), tmp_path.as_uri(), Clock()
    dead = Lease(storage, uri, "dead", Clock())
    assert dead.take()
    dead.beat(1, STEPS)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds

    waiting = Waiting(patience=30.0, poll=5.0, pause=pause, clock=clock)
    assert tuned(storage, uri, lambda: finish(uri), lambda: (0, STEPS), quiet, waiting)
    assert sum(pauses) == 35.0
    with pytest.raises(LeaseLostError):
        dead.beat(2, STEPS)


def test_a_pod_that_was_overtaken_can_not_publish_and_finds_what_the_other_did(tmp_path):
    storage, uri = open_storage(), tmp_path.as_uri()

    def overtaken() -> None:
        finish(uri)  # by another pod, in the meantime
        raise FencedError("a newer attempt has been claimed")

    assert not tuned(storage, uri, overtaken, lambda: (0, STEPS), quiet)
    assert finished(storage, uri) is not None


@dataclass
class Pod:
    """A pod that asks for turns. silent: seconds since its last beat."""

    lease: Lease
    clock: Clock
    holds: bool = False
    silent: float = 0.0


ACTIONS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "take", "beat", "leave", "stall"])), max_size=40
)
PATIENCE = 10.0


def beat(pod: Pod) -> None:
    try:
        pod.lease.beat(1, 2)
        pod.silent = 0.0
    except LeaseLostError:
        pod.holds = False


@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_turns_have_one_holder_each_and_a_holder_that_beats_is_never_replaced(tmp_path_factory, actions):
    storage, folder = open_storage(), tmp_path_factory.mktemp("lease").as_uri()
    clocks = [Clock(1000.0 * number) for number in range(3)]  # clocks are never compared
    pods = [
        Pod(Lease(storage, folder, f"pod-{number}", clock, PATIENCE), clock)
        for number, clock in enumerate(clocks)
    ]
    turns: list[int] = []
    for number, action in actions:
        pod = pods[number]
        if action == "take" and not pod.holds and pod.lease.take():
            assert all(other.silent > PATIENCE for other in pods if other.holds)
            seen = pod.lease.look()
            assert seen is not None
            turns.append(seen.number)
            pod.holds, pod.silent = True, 0.0
        elif action == "beat" and pod.holds:
            beat(pod)
        elif action == "leave" and pod.holds:
            pod.lease.leave()
            pod.holds = False
        elif action == "stall":
            # Time passes, in which this pod does not beat if it holds a turn, and all others do.
            for other in pods:
                other.clock.now += 6.0
                other.silent += 6.0
                if other.holds and other is not pod:
                    beat(other)
    assert turns == sorted(set(turns))
