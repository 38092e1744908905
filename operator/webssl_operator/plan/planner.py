"""The whole plan: all policies in their order, then the question whether the status is worth a write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from webssl_api.status import TERMINAL, Phase, RunStatus, WorkersStatus

from webssl_operator.observe.snapshot import RunSnapshot
from webssl_operator.observe.times import parse_time
from webssl_operator.plan.accounting import account
from webssl_operator.plan.actions import RunEvent
from webssl_operator.plan.admission import admit
from webssl_operator.plan.beside import evaluate_beside
from webssl_operator.plan.claims import hold_for_others
from webssl_operator.plan.cleanup import clean_up
from webssl_operator.plan.completion import conclude
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.draft import Draft, Policy, Scene
from webssl_operator.plan.elasticity import size_workers
from webssl_operator.plan.evaluation import evaluate
from webssl_operator.plan.progress import follow_progress
from webssl_operator.plan.restarts import count_restarts
from webssl_operator.plan.training_end import end_training
from webssl_operator.plan.workers import keep_workers
from webssl_operator.settings import Settings

POLICIES: Sequence[Policy] = (
    admit,
    follow_progress,
    count_restarts,
    end_training,
    size_workers,
    keep_workers,
    hold_for_others,
    evaluate_beside,
    evaluate,
    account,
    conclude,
    clean_up,
)


def plan(snapshot: RunSnapshot, now: datetime, settings: Settings) -> Plan:
    """Decide. Pure: equal inputs give equal plans, and a plan made on what a plan leads to asks for nothing."""
    run = snapshot.run
    if run.deleting or run.status.phase in TERMINAL:
        return Plan(consumed=frozenset(pod.uid for pod in snapshot.pods if pod.gone))
    if run.spec is None:
        return _refuse(snapshot)
    scene = Scene(snapshot, run.spec, now, settings)
    draft = Draft(status=run.status.model_copy(update={"observed_generation": run.generation}))
    for policy in POLICIES:
        draft = policy(scene, draft)
    return _finish(scene, draft)


def _refuse(snapshot: RunSnapshot) -> Plan:
    """A specification that the API server took, but this operator cannot read: say so, touch nothing."""
    run = snapshot.run
    message = f"this operator cannot read the specification: {run.invalid}"
    status = run.status.model_copy(
        update={
            "observed_generation": run.generation,
            "phase": run.status.phase or Phase.PENDING,
            "message": message,
            "workers": run.status.workers or WorkersStatus(),
        }
    )
    changed = status != run.status
    events = (RunEvent("InvalidSpec", message, warning=True),) if changed else ()
    return Plan(status=status if changed else None, events=events)


def _finish(scene: Scene, draft: Draft) -> Plan:
    """Changes that matter are written at once; progress and accounting alone wait for their pace."""
    before, after = scene.snapshot.run.status, draft.status
    wake = min(draft.wakes, default=None)
    result = Plan(draft.actions, after, draft.events, wake, draft.consumed, draft.losses)
    if _essence(before) != _essence(after):
        return result
    if before == after:
        return replace(result, status=None)
    pace = scene.settings.pace
    quiet = pace.progress if before.progress != after.progress else pace.accounting
    last = parse_time(before.accounted_time)
    due = scene.now if last is None else last + timedelta(seconds=quiet)
    if scene.now >= due:
        return result
    return replace(result, status=None, wake=due if wake is None else min(wake, due))


def _essence(status: RunStatus) -> RunStatus:
    """The status without what changes all the time."""
    return status.model_copy(
        update={
            "progress": None,
            "gpu_hours": 0.0,
            "active_seconds": 0.0,
            "accounted_time": None,
            "goodput": None,
        }
    )
