"""Operator and trainer over checkpoints that WebSSLEvaluations read, beside those that the run scores itself.

As in `test_holding_protocol`, whose game it goes on with: words come late, are lost or repeated, and both sides may start anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api.evaluation_status import HoldPhase
from webssl_operator.observe.claim import Claim
from webssl_trainer.storage import join

from tests.unit.operator.test_holding_protocol import MOVES, URI, Game, begun


@dataclass
class ClaimedGame(Game):
    """claimed: so many claims were made, each by another evaluation or by one that came back."""

    claimed: int = 0
    gone: list[Claim] = field(default_factory=list)

    def play(self, move: str) -> None:
        world, there = self.world, self.trainer.ordered()
        match move:
            case "claim newest" | "claim oldest" | "claim by digest":
                if not there:
                    return
                self.claimed += 1
                one = there[0 if move == "claim newest" else -1]
                assert one.manifest is not None
                digest = one.manifest.digest if move == "claim by digest" else ""
                name = f"e{self.claimed}"
                made = Claim(name, f"uid-{name}", join(URI, one.key.path), one.key.step, digest, "0")
                world.claims = (*world.claims, made)
            case "claim again":
                if self.gone:
                    self.claimed += 1
                    world.claims = (*world.claims, replace(self.gone.pop(), tag=f"{self.claimed}"))
            case "retry":
                self.claimed += 1
                world.claims = tuple(replace(one, tag=f"{self.claimed}") for one in world.claims)
            case "end":
                self.gone += world.claims[:1]
                world.claims = world.claims[1:]
            case _:
                super().play(move)
                return
        self.check()

    def check(self) -> None:
        super().check()
        there = {join(URI, key.path) for key in self.trainer.store}
        claims = {one.request for one in self.world.claims}
        for hold in self.world.status.holds:
            if hold.phase is HoldPhase.HELD and hold.request in claims:
                assert hold.uri in there, "what a WebSSLEvaluation was promised is not deleted"


ALL = [*MOVES, "claim newest", "claim oldest", "claim by digest", "claim again", "retry", "end"]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(ALL), max_size=40))
def test_what_is_promised_stays_and_every_claim_is_answered(moves: list[str]) -> None:
    game = begun(ClaimedGame)
    for move in moves:
        game.play(move)
    for _ in range(1 + len(game.world.claims) // 4):
        game.calm()
    answered = {one.request: one.phase for one in game.world.status.holds}
    assert set(answered) == {one.request for one in game.world.claims}
    # One that was claimed by its digest after it was deleted is never told of: nobody can say that it was ever there.
    unanswered = {
        one.uri for one in game.world.status.holds if one.phase in (HoldPhase.ASKED, HoldPhase.WAITING)
    }
    assert not unanswered & {join(URI, key.path) for key in game.trainer.store}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(ALL), max_size=30))
def test_nothing_stays_for_an_evaluation_that_is_over(moves: list[str]) -> None:
    game = begun(ClaimedGame)
    for move in moves:
        game.play(move)
    game.world.claims = ()
    game.calm()
    for _ in range(2):
        game.trainer.commit(1)
        game.calm()
    game.trainer.commit(1)
    assert game.world.status.holds == []
    assert len(game.trainer.store) <= game.trainer.keep + 1, "the newest, and one that was due a moment ago"


def test_a_request_that_the_trainer_has_answered_is_not_taken_back_for_a_users() -> None:
    """The answer is on its way; between it and the operator's next words the checkpoint must stay."""
    game = begun(ClaimedGame)
    for move in ("commit", "claim newest", "operate", "operate", "sync", "tell"):
        game.play(move)
    for move in ("commit", "ask", "operate", "sync"):
        game.play(move)
    assert [one.phase for one in game.world.status.holds] == [HoldPhase.HELD]
    for move in ("commit", "commit", "operate", "sync", "commit", "tell", "operate"):
        game.play(move)
    game.calm()
    assert game.world.status.evaluation_request == "latest@1"


def test_a_trainer_that_starts_anew_keeps_what_was_promised() -> None:
    game = begun(ClaimedGame)
    for move in ("commit", "claim newest", "operate", "operate", "sync", "tell", "operate", "operate"):
        game.play(move)
    assert [one.phase for one in game.world.status.holds] == [HoldPhase.HELD]
    for move in ("new trainer", "commit", "commit", "new operator", "operate", "new trainer", "commit"):
        game.play(move)
    assert len(game.trainer.store) > game.trainer.keep
