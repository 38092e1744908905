"""The plan of an evaluation of any checkpoint: what it is of, its children, and the suites' Jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from webssl_api import labels
from webssl_api.data import StorageSpec
from webssl_api.evaluation_object import (
    EncoderSpec,
    EvaluationObjectStatus,
    EvaluationPhase,
    WebSSLEvaluationSpec,
)
from webssl_api.reports import EvaluationReport
from webssl_api.run import WebSSLRunSpec
from webssl_api.status import CheckpointStatus

from webssl_operator.construct.evaluation_object import (
    EvaluationView,
    bench_of,
    encoder_of,
    owner,
    run_of,
    standing_children,
)
from webssl_operator.observe.family import Facts, Family
from webssl_operator.observe.run import RunView
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Action, Apply, Delete, RunEvent
from webssl_operator.plan.awaited_hold import Awaited, await_hold
from webssl_operator.plan.conditions import with_condition
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.lost_pods import lost_pods
from webssl_operator.plan.retries import answer_retry
from webssl_operator.plan.suites import OVER as SUITE_OVER
from webssl_operator.plan.suites import Evidence, SuitesPlan, plan_suites
from webssl_operator.settings import Settings

LOOK_AGAIN = timedelta(seconds=15)
OVER = frozenset({EvaluationPhase.SUCCEEDED, EvaluationPhase.FAILED})


def plan_evaluation(family: Family, now: datetime, settings: Settings, facts: Facts) -> Plan:
    """Decide. Pure: equal inputs give equal plans, and a plan made on what a plan leads to asks for nothing.

    An evaluation that is over is planned on: suites that are added to it later are run, those that failed are tried anew when that is
    asked for, and all others stay as they are.
    """
    view = cast("EvaluationView", family.head)
    if view.deleting:
        return Plan()
    if view.spec is None:
        message = f"this operator cannot read the specification: {view.invalid}"
        return _held(view, "InvalidSpec", message, now)
    encoder, storage, missing = _subject(view, view.spec, facts)
    if encoder is None:
        return _held(view, "NoSuchRun", missing, now, wake=now + LOOK_AGAIN)
    run = run_of(encoder, storage, view.spec)
    reports = dict(_reports(family, view, view.spec))
    retry = answer_retry(view.status, view.retry)
    found = plan_suites(
        bench_of(view, view.spec, storage, settings),
        view.spec.suites,
        CheckpointStatus(
            uri=view.spec.checkpoint.uri, digest=view.spec.checkpoint.digest or "", step=0, samples=0
        ),
        retry.known,
        Evidence(jobs=tuple(family.jobs.values()), pods=family.pods, reports=reports),
        settings.pace.report_wait,
        now,
    )
    over = all(suite.phase in SUITE_OVER for suite in found.suites)
    awaited = await_hold(view, facts.neighbours, over, now)
    if awaited.waits:
        found = _put_off(found)
    buried, look = lost_pods(family.pods, now, settings.pace.lost_after)
    actions = (
        *_children(family, view, run),
        *found.actions,
        *_unwanted(family, view.spec),
        *buried,
    )
    status = _status(view, found, reports.values(), awaited, now)
    taken = {"encoder": encoder, "storage": storage} if view.spec.run is not None else {}
    status = status.model_copy(update={**taken, "retry_request": retry.answered})
    changed = status != view.status
    return Plan(
        actions,
        status if changed else None,
        (*retry.events, *found.events, *_announced(view, status)),
        min((moment for moment in (found.wake, look, awaited.wake) if moment is not None), default=None),
    )


def _subject(
    view: EvaluationView, spec: WebSSLEvaluationSpec, facts: Facts
) -> tuple[EncoderSpec | None, StorageSpec, str]:
    """Encoder and storage; no encoder, and why, while the run that it is to be taken from is not there.

    What was taken once stays, so that the run may go.
    """
    status = view.status
    if spec.encoder is not None:
        return spec.encoder, spec.storage or StorageSpec(), ""
    if status.encoder is not None:
        return status.encoder, spec.storage or status.storage or StorageSpec(), ""
    assert spec.run is not None
    if isinstance(facts.other, RunView) and facts.other.spec is not None:
        run = facts.other.spec
        return encoder_of(run), spec.storage or run.data.storage, ""
    why = (
        f"spec.run.name {spec.run.name}: there is no readable WebSSLRun of that name in namespace {view.namespace}: "
        "create it, or create this evaluation anew with spec.encoder instead"
    )
    return None, StorageSpec(), why


def _reports(
    family: Family, view: EvaluationView, spec: WebSSLEvaluationSpec
) -> Iterable[tuple[str, EvaluationReport]]:
    """The newest report of each suite on this very object (a namesake's leftovers do not count)."""
    for suite in spec.suites:
        held = family.config_maps.get(labels.evaluation_name(owner(view).prefix, suite.key))
        if held is not None and held.owner == view.uid and held.evaluation is not None:
            yield suite.key, held.evaluation


def _children(family: Family, view: EvaluationView, run: WebSSLRunSpec) -> Sequence[Action]:
    """Apply what this process has not applied in this form. A namesake's report is removed first: it is of another evaluation."""
    mark = f"{view.uid}/{view.generation}"
    first = view.status.phase is None
    actions: list[Action] = []
    for manifest in standing_children(view, run):
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        held = family.config_maps.get(name) if kind == "ConfigMap" else None
        if held is not None and held.owner not in ("", view.uid):
            if not held.deleting:
                actions.append(Delete("ConfigMap", held.name, held.uid))
        elif family.applied.get((kind, name)) != mark:
            actions.append(Apply(manifest, mark, fresh=first))
    return actions


def _put_off(found: SuitesPlan) -> SuitesPlan:
    """The plan without new Jobs; what is there already goes on."""
    return replace(found, actions=tuple(one for one in found.actions if not isinstance(one, Apply)))


def _unwanted(family: Family, spec: WebSSLEvaluationSpec) -> Iterable[Action]:
    wanted = {suite.key for suite in spec.suites}
    return (
        Delete("Job", job.name, job.uid)
        for job in family.jobs.values()
        if job.suite not in wanted and not job.deleting
    )


def _status(
    view: EvaluationView,
    found: SuitesPlan,
    reports: Iterable[EvaluationReport],
    awaited: Awaited,
    now: datetime,
) -> EvaluationObjectStatus:
    digests = sorted({report.checkpoint_digest for report in reports})
    phase, message = _phase(found, digests, awaited.waits)
    before = view.status
    fields: dict[str, Any] = {
        "observed_generation": view.generation,
        "phase": phase,
        "message": message,
        "summary": f"{sum(1 for s in found.suites if s.phase == 'Succeeded')}/{len(found.suites)}",
        "checkpoint_digest": digests[0] if len(digests) == 1 else before.checkpoint_digest,
        "suites": [*found.suites],
        "completion_time": (before.completion_time or format_time(now)) if phase in OVER else None,
    }
    reason = {
        EvaluationPhase.SUCCEEDED: "Succeeded",
        EvaluationPhase.FAILED: "SuitesFailed" if len(digests) < 2 else "CheckpointChanged",
    }.get(phase, "Evaluating")
    failed = any(suite.phase == "Failed" for suite in found.suites)
    conditions = with_condition(awaited.conditions, "Admitted", True, "Admitted", "", now, view.generation)
    conditions = with_condition(
        conditions,
        "Evaluated",
        phase is EvaluationPhase.SUCCEEDED,
        "SuitesFailed" if failed else reason,
        message,
        now,
        view.generation,
    )
    if phase is EvaluationPhase.FAILED or any(one.type == "Failed" for one in conditions):
        bad = phase is EvaluationPhase.FAILED
        conditions = with_condition(
            conditions, "Failed", bad, reason, message if bad else "", now, view.generation
        )
    return before.model_copy(update=fields | {"conditions": conditions})


def _phase(found: SuitesPlan, digests: Sequence[str], waits: str) -> tuple[EvaluationPhase, str]:
    """Where it stands, and the sentence that goes with it. A suite that failed is named as soon as it has."""
    if len(digests) > 1:
        named = ", ".join(digest[:12] for digest in digests)
        return EvaluationPhase.FAILED, (
            f"suites scored different checkpoints in the same folder ({named}): it was overwritten meanwhile; "
            "create a new WebSSLEvaluation with spec.checkpoint.digest"
        )
    phase = EvaluationPhase(found.phase)
    bad = "; ".join(f"{suite.name}: {suite.message}" for suite in found.suites if suite.phase == "Failed")
    if phase is EvaluationPhase.SUCCEEDED:
        return phase, "all suites are done"
    if bad:
        return phase, f"evaluation failed: {bad}"
    return phase, waits or ("" if phase is EvaluationPhase.RUNNING else "waiting for pods to start")


def _announced(view: EvaluationView, status: EvaluationObjectStatus) -> Iterable[RunEvent]:
    if status.phase is not None and status.phase != view.status.phase and status.phase in OVER:
        failed = status.phase is EvaluationPhase.FAILED
        yield RunEvent(status.phase.value, status.message.splitlines()[0], warning=failed)


def _held(
    view: EvaluationView, reason: str, message: str, now: datetime, wake: datetime | None = None
) -> Plan:
    """Nothing can be done: say why, touch nothing."""
    status = view.status.model_copy(
        update={
            "observed_generation": view.generation,
            "phase": view.status.phase or EvaluationPhase.PENDING,
            "message": message,
            "conditions": with_condition(
                view.status.conditions, "Admitted", False, reason, message, now, view.generation
            ),
        }
    )
    changed = status != view.status
    events = (RunEvent(reason, message, warning=True),) if changed else ()
    return Plan(status=status if changed else None, events=events, wake=wake)
