"""GPU hours and goodput: what the pods cost in time, and how much of it went into steps that count."""

from __future__ import annotations

from datetime import datetime

from webssl_operator.observe.pod import PodView
from webssl_operator.observe.times import format_time, parse_time
from webssl_operator.plan.draft import Draft, Gate, Scene


def account(scene: Scene, draft: Draft) -> Draft:
    """Add the time since the last accounting. Both totals only grow, and live in the status, so a new operator goes on from them."""
    status, now = draft.status, scene.now.replace(microsecond=0)
    started = [pod.started for pod in scene.snapshot.pods if pod.started is not None]
    if status.start_time is None and not started:
        return draft
    begin = parse_time(status.start_time) or min(started)
    last = parse_time(status.accounted_time) or begin
    if status.start_time is None:
        draft = draft.with_status(start_time=format_time(begin))
    if scene.snapshot.run.status.training_completion_time is not None and status.accounted_time is not None:
        return draft
    spent = sum(_overlap(pod, last, now) for pod in scene.snapshot.pods)
    hours = spent * scene.spec.workers.processes_per_worker / 3600
    held = _is_held(scene, draft) and not any(pod.running for pod in scene.snapshot.pods)
    active = status.active_seconds + (0.0 if held else max(0.0, (now - last).total_seconds()))
    report = scene.snapshot.training
    productive = report.productive_seconds if report is not None else 0.0
    return draft.with_status(
        gpu_hours=round(status.gpu_hours + hours, 6),
        active_seconds=active,
        accounted_time=format_time(max(last, now)),
        goodput=round(min(1.0, productive / active), 4)
        if active > 0 and report is not None
        else status.goodput,
    )


def _is_held(scene: Scene, draft: Draft) -> bool:
    job = scene.snapshot.job
    return draft.gate is Gate.HELD or (job is not None and job.suspended)


def _overlap(pod: PodView, begin: datetime, end: datetime) -> float:
    """Seconds that a pod's container ran between two moments. A pod that vanished ran until its deletion was due, at most."""
    if pod.started is None:
        return 0.0
    stopped = pod.finished or (pod.deleted if pod.gone else None) or end
    return max(0.0, (min(stopped, end) - max(pod.started, begin)).total_seconds())
