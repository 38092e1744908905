"""Whether an evaluation may read its checkpoint: where a trainer could delete it, its pods start once it is held. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webssl_api.evaluation_status import HoldPhase
from webssl_api.status import TERMINAL, Condition, Phase

from webssl_operator.construct.evaluation_object import EvaluationView
from webssl_operator.observe.claim import Claim
from webssl_operator.observe.family import Head
from webssl_operator.observe.run import RunView
from webssl_operator.observe.times import parse_time
from webssl_operator.plan.claims import claim_of
from webssl_operator.plan.conditions import with_condition

CONDITION = "CheckpointHeld"
LOOK = timedelta(seconds=5)
LONGEST = timedelta(minutes=3)
"""A trainer hears of orders when the kubelet next looks (a minute or two). One that does not answer must not be waited for for ever."""

_TRAINED = TERMINAL | {Phase.EVALUATING}


@dataclass(frozen=True)
class Awaited:
    """conditions: as they are now. waits: why no pod may start yet; empty: they may. wake: when to look again."""

    conditions: list[Condition]
    waits: str = ""
    wake: datetime | None = None


def await_hold(view: EvaluationView, neighbours: Iterable[Head], over: bool, now: datetime) -> Awaited:
    """Look at the runs of the namespace for the one whose trainer could delete the checkpoint.

    A run without workers deletes nothing, and its next trainer reads the orders before it begins. over: whether all suites are by now.
    """
    conditions = list(view.status.conditions)
    before = next((one for one in conditions if one.type == CONDITION), None)
    found = None if over else _claimed(view, neighbours)
    if found is None:
        message = "no trainer could delete the checkpoint, or nobody is going to read it"
        return Awaited(
            conditions if before is None else _with(conditions, False, "NotNeeded", message, now, view)
        )
    run, claim = found
    hold = next((one for one in run.status.holds if one.request == claim.request), None)
    if hold is not None and hold.phase is HoldPhase.HELD:
        return Awaited(_with(conditions, True, "Held", f"run {run.name} keeps the checkpoint", now, view))
    if hold is not None and hold.phase is HoldPhase.REFUSED:
        message = f"run {run.name} does not keep the checkpoint: {hold.message}"
        return Awaited(_with(conditions, False, "Refused", message, now, view))
    waits = f"waits for the trainer of run {run.name} to keep the checkpoint"
    reason = before.reason if before is not None else ""
    since = parse_time(before.last_transition_time) if before is not None and reason == "Asked" else None
    due = (since or now) + LONGEST
    if reason == "NoAnswer" or now >= due:
        message = f"the trainer of run {run.name} did not say that it keeps the checkpoint; it may delete it"
        return Awaited(_with(conditions, False, "NoAnswer", message, now, view), wake=now + LOOK)
    return Awaited(_with(conditions, None, "Asked", waits, now, view), waits, min(due, now + LOOK))


def _claimed(view: EvaluationView, neighbours: Iterable[Head]) -> tuple[RunView, Claim] | None:
    """The run whose workers could delete what is going to be read, and what is claimed of it."""
    for run in neighbours:
        if not isinstance(run, RunView) or run.deleting:
            continue
        if run.phase in _TRAINED or not run.status.workers.running:
            continue
        claim = claim_of(view, run)
        if claim is not None:
            return run, claim
    return None


def _with(
    conditions: list[Condition],
    value: bool | None,
    reason: str,
    message: str,
    now: datetime,
    view: EvaluationView,
) -> list[Condition]:
    return with_condition(conditions, CONDITION, value, reason, message, now, view.generation)
