"""The plan of a pass: which engine, its children, what it makes of them, and whether the status is worth a write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from webssl_api import labels
from webssl_api.curation import Engine
from webssl_api.curation_status import CurationPhase, CurationStatus

from webssl_operator.construct.curation import CurationView, standing_children
from webssl_operator.observe import rayjob
from webssl_operator.observe.family import Facts, Family
from webssl_operator.observe.times import format_time, parse_time
from webssl_operator.plan.actions import Action, Apply, Delete, RunEvent
from webssl_operator.plan.conditions import with_condition
from webssl_operator.plan.curation.jobs import on_jobs
from webssl_operator.plan.curation.ray import on_ray
from webssl_operator.plan.curation.scene import Scene, Work
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.lost_pods import lost_pods
from webssl_operator.settings import Settings

TERMINAL = frozenset({CurationPhase.SUCCEEDED, CurationPhase.FAILED})
LOOK_AGAIN = timedelta(seconds=30)
NO_RAY = "spec.engine is ray, but this cluster does not serve rayjobs.ray.io: install KubeRay, or set spec.engine to job"
COUNTS = ("shards_done", "shards_total", "percent", "samples", "rows", "failures", "images_per_second")


def plan_curation(family: Family, now: datetime, settings: Settings, facts: Facts) -> Plan:
    """Decide. Pure: equal inputs give equal plans, and a plan made on what a plan leads to asks for nothing."""
    view = cast("CurationView", family.head)
    if view.deleting or view.status.phase in TERMINAL:
        return Plan()
    if view.spec is None:
        return _refuse(view, now)
    scene = Scene(view, view.spec, family, now, settings, facts)
    engine = _engine(scene)
    if engine == "":
        return _wait_for_ray(scene)
    children, other = _children(scene), _of_the_other_engine(scene, engine)
    before = next((c.status for c in view.status.conditions if c.type == "Scored"), "")
    work = on_ray(scene) if engine == Engine.RAY.value else on_jobs(scene, scored=before == "True")
    buried, look = lost_pods(family.pods, now, settings.pace.lost_after)
    wakes = [moment for moment in (work.wake, look) if moment is not None]
    work = replace(work, actions=(*children, *other, *work.actions, *buried), wake=min(wakes, default=None))
    return _finish(scene, work, _status(scene, work, engine))


def _engine(scene: Scene) -> str:
    """What the user names; with auto what was begun with, else Ray where KubeRay is. Empty: Ray is named and not there."""
    wanted = scene.spec.engine
    if wanted is Engine.JOB:
        return Engine.JOB.value
    if wanted is Engine.RAY:
        return Engine.RAY.value if scene.facts.ray_jobs else ""
    begun = scene.view.status.engine
    if begun == Engine.RAY.value and not scene.facts.ray_jobs:
        return Engine.JOB.value
    return begun or (Engine.RAY.value if scene.facts.ray_jobs else Engine.JOB.value)


def _children(scene: Scene) -> Sequence[Action]:
    """Apply what this process has not applied in this form. A namesake's report is removed first: it is not of this pass."""
    view, found = scene.view, scene.family
    mark = f"{view.uid}/{view.generation}"
    report = found.config_maps.get(labels.curation_progress_name(view.name))
    if report is not None and report.owner not in ("", view.uid):
        return () if report.deleting else (Delete("ConfigMap", report.name, report.uid),)
    first = view.status.phase is None
    return tuple(
        Apply(manifest, mark, fresh=first)
        for manifest in standing_children(view, scene.spec)
        if found.applied.get((manifest["kind"], manifest["metadata"]["name"])) != mark
    )


def _of_the_other_engine(scene: Scene, engine: str) -> Sequence[Action]:
    """No two engines score at the same time: what the user has turned away from goes."""
    if engine == Engine.RAY.value:
        jobs = [job for job in scene.family.jobs.values() if not job.deleting]
        return tuple(Delete("Job", job.name, job.uid, foreground=True) for job in jobs)
    rays = [job for job in scene.family.ray_jobs.values() if not job.deleting]
    return tuple(Delete(rayjob.KIND, job.name, job.uid, foreground=True) for job in rays)


def _status(scene: Scene, work: Work, engine: str) -> CurationStatus:
    """The status that says what the engine's children show."""
    before, said = scene.view.status, scene.progress()
    over = work.phase in TERMINAL
    fields: dict[str, Any] = {
        "observed_generation": scene.view.generation,
        "phase": work.phase,
        "message": work.message or _sentence(work, said.message),
        "engine": engine,
        "retries": max(work.retries, before.retries),
        "images_per_second": said.images_per_second if work.running else None,
        "start_time": before.start_time or (format_time(scene.now) if work.running else None),
        "completion_time": format_time(scene.now) if over else None,
    }
    if said.shards_total:  # nothing is said while a report that somebody deleted is not there again
        fields |= {
            "shards_done": said.shards_done,
            "shards_total": said.shards_total,
            "percent": min(100, 100 * said.samples // said.samples_total) if said.samples_total else 0,
            "samples": said.samples,
            "rows": said.rows,
            "failures": said.failures,
        }
    if work.phase is CurationPhase.SUCCEEDED:
        fields |= {"percent": 100, "table_uri": said.table_uri, "table_digest": said.table_digest}
    return _conditions(scene, work, before.model_copy(update=fields))


def _sentence(work: Work, said: str) -> str:
    return {
        CurationPhase.SCORING: said,
        CurationPhase.FINISHING: "every range is scored: the table is made",
        CurationPhase.SUCCEEDED: "the table is ready for spec.data.filter.table of a WebSSLRun",
    }.get(work.phase, "")


def _conditions(scene: Scene, work: Work, status: CurationStatus) -> CurationStatus:
    held = work.phase is CurationPhase.SUSPENDED
    ready = work.phase is CurationPhase.SUCCEEDED
    rows = [
        ("Admitted", not held, "Suspended" if held else "Admitted", work.message if held else ""),
        ("Scored", work.scored, "Complete" if work.scored else "Scoring", ""),
        ("TableReady", ready, "Complete" if ready else "Pending", status.table_uri),
    ]
    if work.phase is CurationPhase.FAILED:
        rows.append(("Failed", True, work.reason, work.message))
    conditions = status.conditions
    for kind, value, reason, message in rows:
        conditions = with_condition(
            conditions, kind, value, reason, message, scene.now, scene.view.generation
        )
    return status.model_copy(update={"conditions": conditions})


def _finish(scene: Scene, work: Work, status: CurationStatus) -> Plan:
    """Changes that matter are written at once; counts alone wait for their pace."""
    before = scene.view.status
    events = list(work.events)
    if status.phase != before.phase and status.phase is not CurationPhase.PENDING:
        events.append(_announcement(status))
    result = Plan(work.actions, status, tuple(events), work.wake)
    if _essence(before) != _essence(status):
        return replace(result, status=_stamped(status, scene.now))
    if before == status:
        return replace(result, status=None)
    last = parse_time(before.updated_time)
    due = scene.now if last is None else last + timedelta(seconds=scene.settings.pace.progress)
    if scene.now >= due:
        return replace(result, status=_stamped(status, scene.now))
    return replace(result, status=None, wake=due if work.wake is None else min(work.wake, due))


def _announcement(status: CurationStatus) -> RunEvent:
    assert status.phase is not None
    text = status.table_uri or status.message or f"the pass is {status.phase.value.lower()}"
    return RunEvent(status.phase.value, text.splitlines()[0], warning=status.phase is CurationPhase.FAILED)


def _essence(status: CurationStatus) -> CurationStatus:
    """The status without what changes all the time."""
    plain = CurationStatus()
    return status.model_copy(update={name: getattr(plain, name) for name in (*COUNTS, "updated_time")})


def _stamped(status: CurationStatus, now: datetime) -> CurationStatus:
    return status.model_copy(update={"updated_time": format_time(now)})


def _refuse(view: CurationView, now: datetime) -> Plan:
    """A specification that the API server took, but this operator cannot read: say so, touch nothing."""
    message = f"this operator cannot read the specification: {view.invalid}"
    status = view.status.model_copy(
        update={
            "observed_generation": view.generation,
            "phase": view.status.phase or CurationPhase.PENDING,
            "message": message,
            "conditions": with_condition(
                view.status.conditions, "Admitted", False, "InvalidSpec", message, now, view.generation
            ),
        }
    )
    changed = status != view.status
    events = (RunEvent("InvalidSpec", message, warning=True),) if changed else ()
    return Plan(status=status if changed else None, events=events)


def _wait_for_ray(scene: Scene) -> Plan:
    """The engine that the user wants is not there; it may be installed at any time."""
    view = scene.view
    status = view.status.model_copy(
        update={
            "observed_generation": view.generation,
            "phase": view.status.phase or CurationPhase.PENDING,
            "message": NO_RAY,
            "conditions": with_condition(
                view.status.conditions, "Admitted", False, "NoRay", NO_RAY, scene.now, view.generation
            ),
        }
    )
    changed = status != view.status
    events = (RunEvent("NoRay", NO_RAY, warning=True),) if changed else ()
    return Plan(status=status if changed else None, events=events, wake=scene.now + LOOK_AGAIN)
