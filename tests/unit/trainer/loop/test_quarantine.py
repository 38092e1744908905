"""The quarantine report: each unusable sample once, bounded, written beside training and never in its way."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.checkpoint.layout import AttemptKey
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.data import BadDataError, Batch, BrokenReport, StepBatches
from webssl_trainer.data.causes import Cause
from webssl_trainer.loop.quarantine import Quarantine
from webssl_trainer.loop.quarantine_list import Found, QuarantineList
from webssl_trainer.storage import FsspecStorage, StorageUnavailableError

KEY = AttemptKey(3, "0123456789abcdef")
PATH = "quarantine/attempt-00000003-0123456789abcdef"


def report(
    key: str, position: int = 0, cause: Cause = Cause.EMPTY, reason: str = "empty file"
) -> BrokenReport:
    return BrokenReport(position, "s3://b/000.tar", key, reason, cause)


def step_of(*reports: BrokenReport) -> StepBatches:
    empty: Any = None
    return StepBatches(0, 0, [Batch(empty, [], empty, empty, broken=list(reports))])


def lines_of(data: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    head, *rows = [json.loads(line) for line in data.decode().splitlines()]
    return head, rows


REPORTS = st.lists(
    st.builds(report, st.sampled_from("abcdefgh"), st.integers(0, 50), st.sampled_from(Cause)), max_size=30
)


@given(REPORTS, st.integers(0, 5))
def test_the_list_is_bounded_holds_each_sample_once_and_counts_all(
    reports: list[BrokenReport], most: int
) -> None:
    kept = QuarantineList(KEY, most)
    for step, item in enumerate(reports):
        kept.add([Found(step, item)])
    head, rows = lines_of(kept.to_bytes())
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys)) == head["listed"] == min(most, len({item.key for item in reports}))
    assert sum(head["met"].values()) == len(reports)
    assert head["leftOut"] == sum(item.key not in keys for item in reports)


@given(st.permutations([Found(2, report(key, at)) for at, key in enumerate("abcd")]))
def test_it_does_not_depend_on_which_process_met_which_sample(found: list[Found]) -> None:
    kept = QuarantineList(KEY)
    kept.add(found)
    assert [row["key"] for row in lines_of(kept.to_bytes())[1]] == list("abcd")


def test_a_line_says_which_sample_why_and_where_it_was_met() -> None:
    kept = QuarantineList(KEY)
    kept.add([Found(7, report("0001", 93, Cause.NOT_DECODED, "x" * 1000))])
    head, rows = lines_of(kept.to_bytes())
    assert head == {"attempt": 3, "met": {"not-decoded": 1}, "listed": 1, "leftOut": 0}
    expected = {"shard": "s3://b/000.tar", "key": "0001", "cause": "not-decoded", "step": 7, "position": 93}
    assert rows == [{**expected, "reason": "x" * 200}]


class Moody(FsspecStorage):
    """Refuses the first `bad` writes; while `gate` is closed, writes hang."""

    def __init__(self, bad: int = 0) -> None:
        super().__init__()
        self.bad, self.tried = bad, 0
        self.gate = threading.Event()
        self.gate.set()

    def put(self, url: str, data: bytes) -> None:
        self.gate.wait()
        self.tried += 1
        if self.tried <= self.bad:
            raise StorageUnavailableError("gone for now")
        super().put(url, data)


@pytest.fixture
def uri() -> str:
    return f"memory:///{uuid.uuid4().hex}"


def test_it_is_written_at_the_latest_when_the_attempt_ends(uri: str) -> None:
    storage = Moody()
    quarantine = Quarantine(Peers(), storage, uri, KEY, interval=3600)
    for step, key in enumerate("abc"):
        quarantine.stepped(step, step_of(report(key)), some=True)
    assert quarantine.close(30)
    assert lines_of(storage.read(f"{uri}/{PATH}.jsonl"))[0]["listed"] == 3
    assert quarantine.by_cause == {"empty": 3}
    assert storage.tried <= 3


def test_a_storage_that_comes_back_gets_it_then(uri: str) -> None:
    storage = Moody(bad=3)
    quarantine = Quarantine(Peers(), storage, uri, KEY, interval=0.01)
    quarantine.stepped(0, step_of(report("a")), some=True)
    for _ in range(6000):
        if storage.exists(f"{uri}/{PATH}.jsonl"):
            break
        threading.Event().wait(0.02)
    assert storage.tried == 4
    assert quarantine.close(30)


def test_a_storage_that_is_gone_or_silent_stops_neither_a_step_nor_the_end(uri: str) -> None:
    refusing = Quarantine(Peers(), Moody(bad=10**9), uri, KEY, interval=0.01)
    refusing.stepped(0, step_of(report("a")), some=True)
    assert refusing.close(30)
    storage = Moody()
    storage.gate.clear()
    silent = Quarantine(Peers(), storage, uri, KEY, interval=0.01)
    for step in range(100):
        silent.stepped(step, step_of(report(str(step))), some=True)
    assert not silent.close(0.05)
    storage.gate.set()


def test_a_run_without_bad_samples_writes_nothing(uri: str) -> None:
    storage = Moody()
    quarantine = Quarantine(Peers(), storage, uri, KEY)
    quarantine.stepped(0, step_of(), some=False)
    assert quarantine.close(30)
    assert storage.list_objects(uri) == []


@pytest.mark.parametrize(("rank", "suffix"), [(0, ""), (2, "-rank-2")])
def test_the_batch_that_ends_a_process_is_in_it_whichever_process_that_is(
    uri: str, rank: int, suffix: str
) -> None:
    storage = Moody()
    quarantine = Quarantine(Peers(rank), storage, uri, KEY)
    quarantine.ended(4, BadDataError("too many", [report("a"), report("b")]))
    assert quarantine.close(30)
    _, rows = lines_of(storage.read(f"{uri}/{PATH}{suffix}.jsonl"))
    assert [(row["key"], row["step"]) for row in rows] == [("a", 4), ("b", 4)]
