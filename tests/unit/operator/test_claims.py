"""Checkpoints that WebSSLEvaluations need of a run: which those are, and what is known of each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from webssl_api.checkpoint_folder import step_within
from webssl_api.evaluation_orders import EvaluationOrders, Held, HeldCheckpoint, RefusedRequest
from webssl_api.evaluation_status import CheckpointHold, HoldPhase
from webssl_api.status import CheckpointStatus
from webssl_operator.kinds.evaluation import view
from webssl_operator.observe.claim import Claim
from webssl_operator.observe.run import RunView
from webssl_operator.plan.claims import Word, answer_claims, claims_on
from webssl_trainer.checkpoint.holding import hold as hold_of_trainer
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey

from tests.manifests.valid import valid_evaluation, valid_run
from tests.unit.operator.test_evaluation_beside import held, orders, tell, training

RUN = "s3://runs/small"
KEY = FolderKey(AttemptKey(2, "0a0b0c0d"), 12)
URI = f"{RUN}/{KEY.path}"
DIGEST = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("run", "uri", "step"),
    [
        (RUN, URI, 12),
        (f"{RUN}/", f"{URI}/", 12),
        (RUN, RUN, None),
        ("s3://runs/sma", URI, None),
        ("s3://runs", URI, None),
        (RUN, f"{URI}/eval/tuning", None),
        (RUN, f"{URI}/eval/tuning/{KEY.path}", None),
        (f"{URI}/eval/tuning", f"{URI}/eval/tuning/{KEY.path}", 12),
        (RUN, f"{RUN}/checkpoints/attempt-2/step-12", None),
    ],
)
def test_a_checkpoint_is_a_runs_when_it_is_the_folder_that_the_trainer_makes(
    run: str, uri: str, step: int | None
) -> None:
    assert step_within(run, uri) == step


def claim(name: str = "a", digest: str = "", tag: str = "t", uri: str = URI) -> Claim:
    return Claim(name, f"uid-{name}", uri, 12, digest, tag)


def hold(one: Claim, phase: HoldPhase, digest: str = "", message: str = "") -> CheckpointHold:
    return CheckpointHold(
        evaluation=one.evaluation,
        uid=one.uid,
        uri=one.uri,
        digest=digest,
        phase=phase,
        message=message,
        request=one.request,
    )


def told(one: Claim, uri: str = URI, digest: str = DIGEST) -> HeldCheckpoint:
    checkpoint = CheckpointStatus(uri=uri, digest=digest, step=12, samples=12, attempt=2)
    return HeldCheckpoint(checkpoint=checkpoint, request=one.request)


def test_the_trainer_takes_the_longest_request() -> None:
    longest = Claim("n" * 40, str(UUID(int=0)), URI, 10**12 - 1, tag="0" * 8)
    assert hold_of_trainer([], EvaluationOrders(request=longest.request), None, RUN).refused is None


A, B, LATER = claim("a"), claim("b"), claim("a", tag="u")
WHOLE, FIRST = claim("a", DIGEST), claim("a", DIGEST[:12])
WAITING, ASKED, HELD, REFUSED = HoldPhase.WAITING, HoldPhase.ASKED, HoldPhase.HELD, HoldPhase.REFUSED


@pytest.mark.parametrize(
    ("claims", "before", "word", "after"),
    [
        ([], [hold(A, HELD, DIGEST)], Word(), []),
        ([A], [], Word(), [(ASKED, "")]),
        ([A, B], [], Word(), [(ASKED, ""), (WAITING, "")]),
        ([A], [], Word(busy=True), [(WAITING, "")]),
        ([A], [hold(A, ASKED)], Word(busy=True), [(ASKED, "")]),
        ([WHOLE, B], [], Word(busy=True), [(ASKED, DIGEST), (WAITING, "")]),
        ([WHOLE, B], [], Word(), [(ASKED, DIGEST), (ASKED, "")]),
        ([A, B], [hold(A, ASKED), hold(B, WAITING)], Word([told(A)]), [(HELD, DIGEST), (ASKED, "")]),
        ([FIRST], [hold(FIRST, ASKED)], Word([told(FIRST)]), [(HELD, DIGEST)]),
        ([FIRST], [hold(FIRST, ASKED)], Word([told(FIRST, digest="f" * 64)]), [(REFUSED, "")]),
        ([A], [hold(A, ASKED)], Word([told(A, uri=f"{RUN}/elsewhere")]), [(REFUSED, "")]),
        (
            [A],
            [hold(A, ASKED)],
            Word(refused=RefusedRequest(request=A.request, reason="no such step")),
            [(REFUSED, "")],
        ),
        ([A], [hold(A, HELD, DIGEST)], Word(), [(HELD, DIGEST)]),
        ([A], [hold(A, REFUSED)], Word([told(A)]), [(REFUSED, "")]),
        ([LATER], [hold(A, HELD, DIGEST)], Word([told(A)]), [(ASKED, DIGEST)]),
        ([LATER], [hold(A, REFUSED)], Word(), [(ASKED, "")]),
        ([WHOLE], [hold(WHOLE, ASKED)], Word(), [(ASKED, DIGEST)]),
    ],
    ids=[
        "the evaluation is gone or over",
        "asked for",
        "one at a time",
        "the user's request is under way",
        "not taken back for the user's request",
        "a whole digest needs no request",
        "a whole digest is in nobody's way",
        "held, and the next is asked for",
        "the first digits fit",
        "the first digits do not fit",
        "another checkpoint of that step",
        "no such step",
        "stays held, whatever a new trainer has told",
        "stays refused",
        "a new claim keeps the digest, and an old word is no answer to it",
        "a new claim after a refusal",
        "the digest is known meanwhile",
    ],
)
def test_what_follows_from_claims_and_the_trainers_word(
    claims: list[Claim], before: list[CheckpointHold], word: Word, after: list[tuple[HoldPhase, str]]
) -> None:
    found = answer_claims(claims, before, word)
    assert [(one.phase, one.digest) for one in found] == after
    assert [one.request for one in found] == [one.request for one in claims]
    assert answer_claims(claims, found, word)[: len(found)] == found


def evaluation(uri: str = URI, **status: Any) -> dict[str, Any]:
    raw = valid_evaluation()
    raw["metadata"] |= {"uid": "e", "generation": 1}
    raw["spec"]["checkpoint"] = {"uri": uri}
    return raw | {"status": status}


def run() -> RunView:
    raw = valid_run()
    raw["metadata"] |= {"uid": "r"}
    raw["spec"]["checkpoint"]["uri"] = RUN
    return RunView.of(raw)


def suite(phase: str) -> dict[str, Any]:
    return {"suites": [{"name": "knn", "phase": phase}]}


@pytest.mark.parametrize(
    ("raw", "claimed"),
    [
        (evaluation(), True),
        (evaluation(**suite("Running")), True),
        (evaluation(**suite("Succeeded")), False),
        (evaluation(**suite("Failed")), False),
        (evaluation("s3://models/imported"), False),
        (evaluation("s3://runs/another/" + KEY.path), False),
    ],
    ids=["new", "works", "done", "failed", "of no run", "of another run"],
)
def test_an_evaluation_needs_its_checkpoint_until_its_last_suite_is_over(
    raw: dict[str, Any], claimed: bool
) -> None:
    assert bool(claims_on(run(), [view(raw), run()])) is claimed


def test_neither_one_that_is_being_deleted_nor_one_that_cannot_be_read_needs_anything() -> None:
    gone, odd = evaluation(), evaluation()
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    odd["spec"]["suites"] = [{"telepathy": {}}]
    assert claims_on(run(), [view(gone), view(odd)]) == ()


def test_a_retry_and_an_added_suite_are_new_claims_of_the_same_evaluation() -> None:
    failed, other = evaluation(**suite("Failed")), evaluation(**suite("Succeeded"))
    failed["metadata"]["annotations"] = {"webssl.dev/retry": "1"}
    other["metadata"]["generation"] = 2
    other["spec"]["suites"] = [*other["spec"]["suites"], {"name": "b"} | other["spec"]["suites"][0]]
    claims = [one for raw in (evaluation(), failed, other) for one in claims_on(run(), [view(raw)])]
    assert len({one.request for one in claims}) == len(claims) == 3


def test_what_others_need_is_ordered_beside_what_the_run_needs_and_is_not_scored_by_it() -> None:
    world = training({"everySamples": 64})
    world.claims = (claim("a", DIGEST), claim("b"))
    world.settle()
    ordered = orders(world)
    assert (ordered.every_samples, ordered.request) == (64, claim("b").request)
    assert ordered.scoring == [Held(digest=DIGEST, request=world.claims[0].request)]
    theirs = [held(20, one.request) for one in world.claims]
    theirs = [one.model_copy(update={"checkpoint": told(claim()).checkpoint}) for one in theirs]
    tell(world, 2, *theirs)
    assert [one.phase for one in world.status.holds] == [HELD, HELD]
    assert (orders(world).request, orders(world).over) == ("", [])
    assert world.evaluations == {}
    assert world.status.evaluations == []


def test_a_run_without_suites_keeps_checkpoints_for_others_and_a_deleted_one_is_let_go() -> None:
    world = training()
    world.run["spec"].pop("evaluation")
    world.change_spec()
    world.claims = (claim("a", DIGEST),)
    world.settle()
    assert [one.digest for one in orders(world).scoring] == [DIGEST]
    world.claims = ()
    world.settle()
    assert orders(world).scoring == []
    assert world.status.holds == []
