"""Which checkpoints of a run WebSSLEvaluations need, and what is known of each: held, asked for, or not to be had. Pure.

A run holds for others by the same orders as for itself: a digest that is being scored stays, and where only the folder is known the
trainer is asked for its step, as by annotation, and tells the digest. The holds stand in the run's status and are made anew from the
evaluations that are there, so that none outlives its evaluation, and every operator orders the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from webssl_api.checkpoint_folder import step_within
from webssl_api.evaluation_object import KIND
from webssl_api.evaluation_orders import HeldCheckpoint, RefusedRequest
from webssl_api.evaluation_status import CheckpointHold, HoldPhase

from webssl_operator.construct.evaluation_object import EvaluationView
from webssl_operator.construct.meta import digest
from webssl_operator.observe.claim import Claim
from webssl_operator.observe.family import Head
from webssl_operator.observe.run import RunView
from webssl_operator.plan.draft import Draft, Gate, Scene
from webssl_operator.plan.holding import request_of_user, told_by_trainer
from webssl_operator.plan.retries import answer_retry
from webssl_operator.plan.suites import settled

_DIGITS = 64
"""Digits of a whole digest."""
_ANSWERED = frozenset({HoldPhase.HELD, HoldPhase.REFUSED})


@dataclass(frozen=True)
class Word:
    """What the trainer says. told: checkpoints that it holds. refused: the request that none answers. busy: it has a user's request."""

    told: Sequence[HeldCheckpoint] = ()
    refused: RefusedRequest | None = None
    busy: bool = False


def is_reading(view: EvaluationView) -> bool:
    """Whether pods of an evaluation read its checkpoint, or are going to."""
    if view.deleting or view.spec is None:
        return False
    known = {suite.name: suite for suite in answer_retry(view.status, view.retry).known}
    return any(not settled(known.get(suite.key), suite) for suite in view.spec.suites)


def claims_on(run: RunView, neighbours: Iterable[Head]) -> tuple[Claim, ...]:
    """What the evaluations of a run's namespace need of its checkpoints, by name."""
    found = []
    for head in neighbours:
        if head.owner_kind != KIND:
            continue
        claim = claim_of(cast("EvaluationView", head), run)
        if claim is not None:
            found.append(claim)
    return tuple(sorted(found, key=lambda claim: claim.evaluation))


def claim_of(view: EvaluationView, run: RunView) -> Claim | None:
    """What an evaluation needs of a run's checkpoints; None for nothing."""
    if run.spec is None or view.spec is None:
        return None
    step = step_within(run.spec.checkpoint.uri, view.spec.checkpoint.uri)
    if step is None or not is_reading(view):
        return None
    return Claim(
        evaluation=view.name,
        uid=view.uid,
        uri=view.spec.checkpoint.uri.rstrip("/"),
        step=step,
        digest=view.status.checkpoint_digest or view.spec.checkpoint.digest or "",
        tag=digest([view.generation, view.retry])[:8],
    )


def hold_for_others(scene: Scene, draft: Draft) -> Draft:
    """Bring the holds to what is claimed now. Orders follow from the status as it was written, so another pass follows at once."""
    report, before = scene.snapshot.training, scene.snapshot.run.status.holds
    ended = draft.gate in (Gate.TRAINED, Gate.CLOSED) or draft.failure is not None
    word = Word(
        told_by_trainer(scene),
        report.refused_request if report is not None else None,
        busy=bool(request_of_user(scene)),
    )
    holds = answer_claims(() if ended else scene.snapshot.claims, before, word)
    return draft if holds == before else draft.with_status(holds=holds).with_wake(scene.now)


def answer_claims(
    claims: Sequence[Claim], before: Sequence[CheckpointHold], word: Word
) -> list[CheckpointHold]:
    """One hold for each claim. What was answered once stays as long as the claim does.

    The trainer knows one request at a time, and one that was made is not taken back before it is answered: else its answer could come
    when the checkpoint is no longer held.
    """
    known = {hold.uid: hold for hold in before}
    holds = [_answered(claim, known.get(claim.uid), word) for claim in claims]
    if word.busy or any(hold.phase is HoldPhase.ASKED and not hold.digest for hold in holds):
        return holds
    first = next((hold for hold in holds if hold.phase is HoldPhase.WAITING), None)
    return [hold.model_copy(update={"phase": HoldPhase.ASKED}) if hold is first else hold for hold in holds]


def _answered(claim: Claim, before: CheckpointHold | None, word: Word) -> CheckpointHold:
    if before is not None and before.request == claim.request and before.phase in _ANSWERED:
        return before
    asked = _asked(claim, before)
    told = next((one.checkpoint for one in word.told if one.request == claim.request), None)
    if told is not None and told.uri.rstrip("/") == claim.uri and told.digest.startswith(claim.digest):
        return asked.model_copy(update={"phase": HoldPhase.HELD, "digest": told.digest})
    if told is not None:
        message = f"its checkpoint of step {claim.step} is {told.uri} with digest {told.digest[:12]}"
        return asked.model_copy(update={"phase": HoldPhase.REFUSED, "message": message})
    if word.refused is not None and word.refused.request == claim.request:
        return asked.model_copy(update={"phase": HoldPhase.REFUSED, "message": word.refused.reason})
    return asked


def _asked(claim: Claim, before: CheckpointHold | None) -> CheckpointHold:
    """A hold that is not answered. An earlier claim of the same evaluation hands on its digest: nothing is let go in between."""
    whole = claim.digest if len(claim.digest) == _DIGITS else ""
    if before is not None and before.request == claim.request and (before.digest or not whole):
        return before
    known = whole or (before.digest if before is not None else "")
    return CheckpointHold(
        evaluation=claim.evaluation,
        uid=claim.uid,
        uri=claim.uri,
        request=claim.request,
        digest=known,
        phase=HoldPhase.ASKED if known else HoldPhase.WAITING,
    )
