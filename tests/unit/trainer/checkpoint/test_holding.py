"""Checkpoints that stay until they are scored: which are due, what a request means, and a saver that asks before it deletes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders, Held
from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.discovery import survey
from webssl_trainer.checkpoint.holding import Holding, hold, is_due
from webssl_trainer.checkpoint.holds import Holds
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey, step_log_path
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.storage import FsspecStorage

from tests.unit.trainer.checkpoint.test_save_and_load import Trainer, nonce

URI = "s3://runs/small"
KEY = AttemptKey(1, "00000001")


def manifest(step: int, before: int, batch: int = 10, final: bool = False) -> CheckpointManifest:
    return CheckpointManifest(
        run_uid="u",
        attempt=1,
        step=step,
        samples=step * batch,
        stage=0,
        final=final,
        world_size=1,
        config_digest="c",
        step_logs=[step_log_path(KEY, before, step)],
        objects=[],
    )


def candidates(*steps: int) -> list[Candidate]:
    """Newest first, as discovery gives them."""
    pairs = zip((0, *steps), steps, strict=False)
    return [Candidate(FolderKey(KEY, step), manifest(step, before)) for before, step in pairs][::-1]


@pytest.mark.parametrize(
    ("step", "before", "every", "due"),
    [
        (10, 0, 100, True),
        (10, 9, 100, True),
        (9, 0, 100, False),
        (11, 9, 100, True),
        (11, 10, 100, False),
        (25, 0, 100, True),
        (30, 29, 100, True),
        (3, 2, 10, True),
        (10, 0, None, False),
    ],
    ids=[
        "at the multiple",
        "at the multiple, a step after the one before",
        "before the first multiple",
        "the first after a multiple that none hit",
        "the second after it",
        "beyond two multiples at once",
        "at a later multiple",
        "a multiple in every step",
        "no policy",
    ],
)
def test_the_first_checkpoint_at_or_after_a_multiple_is_due(
    step: int, before: int, every: int | None, due: bool
) -> None:
    assert is_due(manifest(step, before), every) is due


def test_the_final_checkpoint_is_not_due() -> None:
    assert not is_due(manifest(10, 0, final=True), 100)


def told(holding: Holding) -> list[tuple[int, str]]:
    return [(one.checkpoint.step, one.request) for one in holding.told]


def test_what_is_over_is_told_but_not_held() -> None:
    ordered = candidates(5, 10, 20)
    first = hold(ordered, EvaluationOrders(every_samples=100), None, URI)
    assert told(first) == [(10, ""), (20, "")]
    over = EvaluationOrders(every_samples=100, over=[first.told[0].held])
    later = hold(ordered, over, None, URI)
    assert later.told == first.told
    assert later.held == {FolderKey(KEY, 20)}


def test_latest_is_resolved_once_for_each_text() -> None:
    orders = EvaluationOrders(request="latest")
    first = hold(candidates(5, 10), orders, None, URI)
    assert told(first) == [(10, "latest")]
    assert told(hold(candidates(5, 10, 15), orders, first.resolved, URI)) == [(10, "latest")]
    again = EvaluationOrders(request="latest@2")
    assert told(hold(candidates(5, 10, 15), again, first.resolved, URI)) == [(15, "latest@2")]


def test_a_step_is_the_checkpoint_of_that_step() -> None:
    found = hold(candidates(5, 10, 15), EvaluationOrders(request="10@monday"), None, URI)
    assert told(found) == [(10, "10@monday")]


def test_while_there_is_no_checkpoint_a_request_waits() -> None:
    found = hold([], EvaluationOrders(request="latest"), None, URI)
    assert (found.resolved, found.refused) == (None, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("7", "there is no checkpoint of step 7; there are those of steps 5, 10"),
        ("newest", "neither `latest` nor a step"),
        ("latest @1", "neither `latest` nor a step"),
        ("-5", "neither `latest` nor a step"),
        ("5@", "neither `latest` nor a step"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_with_a_reason(text: str, reason: str) -> None:
    found = hold(candidates(5, 10), EvaluationOrders(request=text), None, URI)
    assert found.refused is not None
    assert found.refused.request == text
    assert reason in found.refused.reason
    assert found.held == frozenset()


def test_what_is_being_scored_is_held_by_a_trainer_that_knows_nothing_of_it() -> None:
    digest = manifest(5, 0).digest
    orders = EvaluationOrders(scoring=[Held(digest=digest, request="latest"), Held(digest="gone")])
    found = hold(candidates(5, 10), orders, None, URI)
    assert told(found) == [(5, "latest")]
    assert found.held == {FolderKey(KEY, 5)}


class Attempt:
    """An attempt that keeps one checkpoint, with the orders in a file."""

    def __init__(self, tmp_path: Path) -> None:
        self.uri = f"file://{tmp_path}/run"
        self.file = tmp_path / ORDERS_KEY
        self.trainer = Trainer(self.uri, nonce(1), keep=1)
        self.holds = Holds(FsspecStorage(), self.uri, self.file, poll=0.01)
        self.trainer.saver.holds = self.holds

    def order(self, orders: EvaluationOrders) -> None:
        self.put(orders.model_dump_json(by_alias=True))

    def put(self, text: str) -> None:
        """As a mounted ConfigMap changes: never half."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.rename(self.file)

    def save(self, steps: int) -> None:
        self.trainer.train(steps)
        assert self.trainer.save().manifest is not None

    def steps(self) -> list[int]:
        return sorted(item.key.step for item in survey(FsspecStorage(), self.uri).ordered)


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Attempt]:
    attempt = Attempt(tmp_path)
    yield attempt
    attempt.holds.close()


def test_a_saver_deletes_nothing_that_is_held_and_lets_go_what_is_over(it: Attempt) -> None:
    it.order(EvaluationOrders(every_samples=8))
    for _ in range(4):
        it.save(1)
    assert it.steps() == [2, 4], "due at 8 and 16 samples"
    held = [one.held for one in it.holds.now.told]
    it.order(EvaluationOrders(every_samples=8, over=held[:1]))
    it.save(1)
    assert it.steps() == [4, 5]


def test_without_orders_only_the_newest_stay(it: Attempt) -> None:
    for _ in range(3):
        it.save(1)
    assert it.steps() == [3]


def test_a_request_is_answered_without_waiting_for_the_next_save(it: Attempt) -> None:
    it.save(2)
    it.order(EvaluationOrders(request="latest"))
    it.holds.look()
    assert [(one.checkpoint.step, one.request) for one in it.holds.now.told] == [(2, "latest")]
    it.save(1)
    assert it.steps() == [2, 3]


def test_a_later_attempt_answers_a_request_with_the_same_checkpoint(it: Attempt) -> None:
    it.save(2)
    it.order(EvaluationOrders(request="latest"))
    it.holds.look()
    it.save(1)
    it.holds.close()
    later = Holds(FsspecStorage(), it.uri, it.file, poll=60)
    later.look()
    assert [(one.checkpoint.step, one.request) for one in later.now.told] == [(2, "latest")]
    it.order(EvaluationOrders(request="latest@2"))
    later.look()
    assert [(one.checkpoint.step, one.request) for one in later.now.told] == [(3, "latest@2")]
    later.close()


@pytest.mark.parametrize(
    "torn", ["{not json", "", "{}]", "\xff"], ids=["no json", "empty", "too much", "no text"]
)
def test_orders_that_cannot_be_read_change_nothing(it: Attempt, torn: str) -> None:
    it.order(EvaluationOrders(every_samples=8))
    it.save(2)
    it.file.write_bytes(torn.encode("latin-1"))
    it.holds.look()
    it.save(1)
    assert it.steps() == [2, 3]


def test_orders_that_are_taken_away_hold_nothing(it: Attempt) -> None:
    it.order(EvaluationOrders(every_samples=8))
    it.save(2)
    it.file.unlink()
    it.save(1)
    assert it.steps() == [3]


def test_orders_that_cannot_be_read_are_complained_of_once(it: Attempt) -> None:
    with structlog.testing.capture_logs() as lines:
        it.put("{not json")
        for _ in range(3):
            it.holds.look()
        it.save(1)
        it.save(1)
    warnings = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert [event for event in warnings if event.startswith("holds.")] == ["holds.orders_unreadable"]
