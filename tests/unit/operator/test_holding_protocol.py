"""Operator and trainer over checkpoints that are to be scored, each with the other's words late, lost or repeated.

The operator is the real plan, the trainer its real rules on what to hold and what to delete; hypothesis decides who goes on, who starts
anew, and what is asked for. The kubelet brings orders late, the reporter drops reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api import labels
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders, Held
from webssl_api.manifest import CheckpointManifest
from webssl_api.reports import EvaluationReport
from webssl_api.status import Phase
from webssl_trainer.checkpoint.discovery import checkpoint_status
from webssl_trainer.checkpoint.holding import Holding, hold, is_due
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey, step_log_path
from webssl_trainer.checkpoint.lineage import Candidate, in_order
from webssl_trainer.checkpoint.retention import deletable

from tests.unit.operator.test_lifecycle import report, running
from tests.unit.operator.world import World

URI = "s3://runs/small"
EVERY = 64
BATCH = 32


@dataclass
class Trainer:
    """Checkpoints and notes on storage, and the memory of one attempt's rank 0. orders: as its pod's volume shows them."""

    store: dict[FolderKey, CheckpointManifest] = field(default_factory=dict)
    attempt: AttemptKey = field(default_factory=lambda: AttemptKey(1, "0" * 8))
    step: int = 0
    begun: int = 0
    orders: EvaluationOrders = field(default_factory=EvaluationOrders)
    holding: Holding = field(default_factory=Holding)
    keep: int = 1
    due: list[str] = field(default_factory=list)
    notes: dict[str, Held] = field(default_factory=dict)

    def ordered(self) -> list[Candidate]:
        return in_order([Candidate(key, manifest) for key, manifest in self.store.items()], [])

    def heed(self) -> None:
        known, request = self.holding.resolved, self.orders.request
        if known is None or known.request != request:
            known = self.notes.get(request)
        self.holding = hold(self.ordered(), self.orders, known, URI)
        if self.holding.resolved is not None:
            self.notes[request] = self.holding.resolved

    def commit(self, steps: int) -> None:
        """A checkpoint, then what the saver deletes after it."""
        first, self.step = self.step, self.step + steps
        key = FolderKey(self.attempt, self.step)
        self.store[key] = made = CheckpointManifest(
            run_uid="u",
            attempt=self.attempt.number,
            step=self.step,
            samples=self.step * BATCH,
            stage=0,
            world_size=1,
            config_digest="c",
            resumed_step=self.begun,
            step_logs=[step_log_path(self.attempt, first, self.step)],
            objects=[],
        )
        if is_due(made, self.orders.every_samples):
            self.due.append(made.digest)
        self.heed()
        for old in deletable(
            self.ordered(), list(self.store), self.attempt, key, self.keep, self.holding.held
        ):
            del self.store[old]

    def restart(self, orders: EvaluationOrders) -> None:
        """Another attempt goes on from the newest checkpoint, and knows nothing but what its pod shows."""
        newest = self.ordered()[:1]
        self.attempt = AttemptKey(self.attempt.number + 1, "0" * 8)
        self.step = self.begun = newest[0].key.step if newest else 0
        self.orders, self.holding = orders, Holding()
        self.heed()

    def digests(self) -> set[str]:
        return {manifest.digest for manifest in self.store.values()}


@dataclass
class Game:
    world: World
    trainer: Trainer = field(default_factory=Trainer)
    scored: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def ordered_now(self) -> EvaluationOrders:
        data = self.world.config_maps[labels.run_config_name(self.world.name)]["data"]
        return EvaluationOrders.model_validate_json(data.get(ORDERS_KEY, "{}"))

    def sync(self) -> None:
        self.trainer.orders = self.ordered_now()
        self.trainer.heed()

    def tell(self) -> None:
        trainer = self.trainer
        newest = trainer.ordered()[:1]
        last = None
        if newest and newest[0].manifest is not None:
            last = checkpoint_status(newest[0].key, newest[0].manifest, URI)
        self.world.report(
            report(
                trainer.step,
                attempt=trainer.attempt.number,
                last_checkpoint=last,
                held_checkpoints=[*trainer.holding.told],
                refused_request=trainer.holding.refused,
            )
        )

    def score(self) -> None:
        """A pod of each suite that has a Job reads the whole checkpoint and reports."""
        for job in list(self.world.evaluations.values()):
            if job.get("status", {}).get("conditions"):
                continue
            suite = job["metadata"]["labels"][labels.SUITE]
            digest = job["metadata"]["annotations"][labels.CHECKPOINT_DIGEST]
            assert digest in self.trainer.digests(), "what is being scored is not deleted"
            self.scored.append((suite, digest))
            found = EvaluationReport(
                suite=suite, kind=suite, checkpoint_digest=digest, scores={"top1": 1.0}, questions=1
            )
            self.world.report_evaluation(suite, found)
            self.world.end_evaluation(suite, "Complete")

    def play(self, move: str) -> None:
        match move:
            case "commit":
                self.trainer.commit(1)
            case "late commit":
                self.trainer.commit(3)
            case "sync":
                self.sync()
            case "tell":
                self.tell()
            case "operate":
                self.world.operate()
            case "score":
                self.score()
            case "ask":
                self.asked += 1
                self.world.annotate(evaluate=f"latest@{self.asked}")
            case "new trainer":
                self.trainer.restart(self.ordered_now())
            case "new operator":
                self.world.restart_operator()
        self.check()

    def check(self) -> None:
        busy = {
            job["metadata"]["annotations"][labels.CHECKPOINT_DIGEST]
            for job in self.world.evaluations.values()
            if not job.get("status", {}).get("conditions")
        }
        assert len(busy) <= 1, "one checkpoint at a time"
        assert busy <= self.trainer.digests(), "what is being scored is not deleted"
        assert len(set(self.scored)) == len(self.scored), "nothing is scored twice"
        assert self.world.status.phase in (Phase.RUNNING, Phase.PENDING)

    def calm(self) -> None:
        """Everybody has time: all words arrive."""
        for _ in range(8):
            self.world.settle()
            self.sync()
            self.tell()
            self.world.settle()
            self.score()
            self.check()


MOVES = ["commit", "late commit", "sync", "tell", "operate", "score", "ask", "new trainer", "new operator"]


G = TypeVar("G", bound=Game)


def begun(make: type[G]) -> G:
    """A game of a run that scores its checkpoints itself."""
    world = running(suites=True)
    evaluation = world.run["spec"]["evaluation"] | {"periodic": {"everySamples": EVERY, "suites": ["knn"]}}
    world.change_spec(evaluation=evaluation)
    world.settle()
    game = make(world)
    game.sync()
    return game


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(MOVES), max_size=40))
def test_no_checkpoint_is_deleted_before_it_is_scored_and_none_is_scored_twice(moves: list[str]) -> None:
    game = begun(Game)
    for move in moves:
        game.play(move)
    game.calm()
    status = game.world.status
    seen = {entry.checkpoint_digest: entry.phase for entry in status.evaluations if not entry.request}
    scored = {digest for _, digest in game.scored}
    if game.trainer.due:
        newest = max(
            (manifest for manifest in game.trainer.store.values() if manifest.digest in game.trainer.due),
            key=lambda manifest: (manifest.attempt, manifest.step),
        )
        assert newest.digest in scored, "the newest that was due has been scored in the end"
    assert set(seen.values()) <= {"Succeeded", "Skipped"}
    if game.asked and game.trainer.store:
        assert status.evaluation_request == f"latest@{game.asked}"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(MOVES), max_size=30))
def test_what_is_over_goes_with_the_next_checkpoints(moves: list[str]) -> None:
    game = begun(Game)
    for move in moves:
        game.play(move)
    game.calm()
    game.trainer.commit(1)
    game.calm()
    game.trainer.commit(1)
    assert len(game.trainer.store) <= game.trainer.keep + 1, "the newest, and one that was due a moment ago"


def test_a_checkpoint_that_is_due_survives_an_operator_that_is_away() -> None:
    game = begun(Game)
    for _ in range(6):
        game.play("commit")
    assert game.trainer.due, "two of three are due"
    assert set(game.trainer.due) <= game.trainer.digests()


def test_latest_is_the_newest_when_the_trainer_hears_of_it_and_stays_the_same() -> None:
    game = begun(Game)
    game.play("late commit")
    game.play("ask")
    game.world.settle()
    game.sync()
    first = game.trainer.holding.resolved
    assert first is not None
    game.play("commit")
    assert game.trainer.holding.resolved == first
    assert first.digest in game.trainer.digests()
    assert Held(digest=first.digest, request="latest@1") == first


def test_a_trainer_that_starts_anew_holds_what_was_asked_for_and_is_being_scored() -> None:
    game = begun(Game)
    for move in ("commit", "ask", "operate", "sync", "tell", "operate", "operate", "operate"):
        game.play(move)
    assert game.world.evaluations
    for move in ("new trainer", "commit", "commit", "sync", "commit"):
        game.play(move)
    game.play("score")
    assert len(game.scored) == 2


def test_what_the_operator_has_heard_of_is_held_by_the_attempt_after_the_one_that_told_it() -> None:
    """The operator takes its time, and `latest` would be another checkpoint by now."""
    game = begun(Game)
    for move in ("commit", "ask", "operate", "sync", "commit", "tell", "new trainer", "commit", "commit"):
        game.play(move)
    game.calm()
    assert len(game.scored) >= 2
