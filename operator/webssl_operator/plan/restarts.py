"""Worker failures: each pod is counted once, and a run that keeps failing is given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from webssl_api import labels
from webssl_api.durations import seconds
from webssl_api.status import RestartRecord, RestartsStatus

from webssl_operator.observe.pod import PodView
from webssl_operator.observe.times import format_time, parse_time
from webssl_operator.plan.draft import Draft, Failure, Gate, Scene
from webssl_operator.plan.failures import is_user_error, judge, last_words

KEPT = 50


def count_restarts(scene: Scene, draft: Draft) -> Draft:
    """Record new failures; set `failure` when too many of them fall into the window."""
    if draft.gate is Gate.CLOSED:
        return draft
    known = {record.uid for record in draft.status.restarts.recent}
    seen = (*scene.snapshot.pods, *_unseen(scene))
    ended = [pod for pod in seen if pod.uid not in known and _has_ended(pod)]
    lost = [pod for pod in ended if _matters(scene, draft, pod)]
    fresh = [_record(pod, scene.now) for pod in lost]
    draft = replace(
        draft,
        consumed=frozenset(pod.uid for pod in scene.snapshot.pods if pod.gone),
        losses=tuple(record.reason for record in fresh),
    )
    draft = draft.with_status(restarts=_updated(scene, draft.status.restarts, fresh))
    for pod, record in list(zip(lost, fresh, strict=True))[:5]:
        draft = draft.with_event("WorkerLost", _sentence(pod, record), warning=record.counted)
    return _give_up(scene, draft, lost)


def _unseen(scene: Scene) -> list[PodView]:
    """Pods that the status knows as running and that vanished while no operator looked."""
    run, present = scene.snapshot.run, {pod.uid for pod in scene.snapshot.pods}
    return [
        PodView(
            namespace=run.namespace,
            name=pod.name,
            uid=pod.uid,
            owner_name=run.name,
            role=labels.ROLE_WORKER,
            suite="",
            sequence=0,
            index=pod.index,
            phase="Running",
            gone=True,
        )
        for pod in run.status.workers.running
        if pod.uid not in present
    ]


def _has_ended(pod: PodView) -> bool:
    return (pod.phase == "Failed" or pod.gone) and pod.phase != "Succeeded"


def _matters(scene: Scene, draft: Draft, pod: PodView) -> bool:
    """A pod that the Job took away (suspended, scaled down, over) is no loss; a user error ends the run and restarts nothing."""
    job = scene.snapshot.job
    if draft.gate is not Gate.OPEN or job is None or job.suspended or job.ending or job.deleting:
        return False
    if pod.index is not None and pod.index >= job.parallelism:
        return False
    return not is_user_error(pod)


def _record(pod: PodView, now: datetime) -> RestartRecord:
    verdict = judge(pod)
    return RestartRecord(
        pod=pod.name,
        uid=pod.uid,
        reason=verdict.reason,
        counted=verdict.counted,
        time=format_time(now),
        exit_code=pod.exit_code,
    )


def _updated(scene: Scene, before: RestartsStatus, fresh: Sequence[RestartRecord]) -> RestartsStatus:
    """Keep the newest records, those whose pods could be seen again, and those that still count."""
    window = timedelta(seconds=seconds(scene.spec.restart_policy.window))
    records = [*reversed(fresh), *before.recent]
    counting = [r for r in records if r.counted and _time(r) > scene.now - window]
    present = {pod.uid for pod in scene.snapshot.pods}
    needed = {r.uid for r in counting[: scene.spec.restart_policy.max_restarts + 1]} | present
    kept = [r for position, r in enumerate(records) if position < KEPT or r.uid in needed]
    return RestartsStatus(total=before.total + len(fresh), counted=len(counting), recent=kept)


def _give_up(scene: Scene, draft: Draft, lost: Sequence[PodView]) -> Draft:
    policy, restarts = scene.spec.restart_policy, draft.status.restarts
    if draft.gate is not Gate.OPEN or restarts.counted <= policy.max_restarts:
        return draft
    pods = {pod.uid: pod for pod in (*scene.snapshot.pods, *lost)}
    newest = next((pods[r.uid] for r in restarts.recent if r.counted and r.uid in pods), None)
    message = (
        f"{restarts.counted} worker failures within {policy.window}, more than "
        f"spec.restartPolicy.maxRestarts {policy.max_restarts}"
    )
    if newest is not None:
        message += f"; the last was {newest.name}: {_cause(newest)}\n{last_words(newest)}"
    return replace(draft, failure=Failure("TooManyRestarts", message.rstrip()))


def _sentence(pod: PodView, record: RestartRecord) -> str:
    counts = "counts" if record.counted else "does not count"
    words = last_words(pod) if record.counted else ""
    return f"{pod.name}: {_cause(pod)}; {counts} against maxRestarts" + (f"\n{words}" if words else "")


def _cause(pod: PodView) -> str:
    code = f", exit code {pod.exit_code}" if pod.exit_code is not None else ""
    return f"{judge(pod).reason}{code}"


def _time(record: RestartRecord) -> datetime:
    moment = parse_time(record.time)
    assert moment is not None
    return moment
