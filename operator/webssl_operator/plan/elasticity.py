"""How many workers are wanted: as many as allowed, fewer when there is no room for a while, more again later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from webssl_api.durations import seconds
from webssl_api.status import ShrinkStatus

from webssl_operator.observe.pod import PodView
from webssl_operator.observe.times import format_time, parse_time
from webssl_operator.plan.draft import Draft, Gate, Scene


def size_workers(scene: Scene, draft: Draft) -> Draft:
    """Set `workers`, and status.shrunk while it is less than the run may have.

    Growing only asks for more pods. Those that train go on until a new one is there and joins; then they stop at a step boundary,
    save, and meet again. Under Kueue the number is Kueue's business: it admits all workers or none.
    """
    counts = scene.spec.allowed_worker_counts()
    full = counts[-1]
    shrunk = draft.status.shrunk
    if scene.snapshot.run.queue or shrunk is None or shrunk.workers >= full:
        draft = replace(draft, workers=full).with_status(shrunk=None)
    else:
        draft = replace(draft, workers=_at_most(counts, shrunk.workers) or counts[0])
    if draft.gate is not Gate.OPEN or draft.failure is not None or scene.snapshot.run.queue:
        return draft
    return _shrink(scene, _grow(scene, draft, full), counts)


def _grow(scene: Scene, draft: Draft, full: int) -> Draft:
    shrunk = draft.status.shrunk
    since = parse_time(shrunk.time) if shrunk is not None else None
    if shrunk is None or since is None:
        return draft
    due = since + timedelta(seconds=seconds(scene.spec.workers.grow_interval))
    if scene.now < due:
        return draft.with_wake(due)
    grown = replace(draft, workers=full).with_status(shrunk=None)
    return grown.with_event("Growing", f"trying to grow from {shrunk.workers} to {full} workers")


def _shrink(scene: Scene, draft: Draft, counts: Sequence[int]) -> Draft:
    job = scene.snapshot.job
    if job is None or job.suspended or job.ending or job.deleting or job.parallelism > draft.workers:
        return draft
    pods = [p for p in scene.snapshot.pods if not p.over and (p.index is None or p.index < draft.workers)]
    waiting = [p for p in pods if p.unschedulable is not None]
    if not waiting:
        return draft
    oldest = min(waiting, key=_since)
    said = oldest.unschedulable_message or "no node has room"
    draft = replace(draft, waits=f"{len(waiting)} of {draft.workers} workers wait for room: {said}")
    # After a cut the Job takes the highest indexes away; a lower one that waited before gets its grace anew, for room is free now.
    cut = draft.status.shrunk
    begin = max(_since(oldest), (parse_time(cut.time) if cut is not None else None) or _since(oldest))
    due = begin + timedelta(seconds=seconds(scene.spec.workers.pending_grace))
    room = _at_most(counts, sum(1 for p in pods if p.node and p.deleted is None))
    if scene.now < due:
        return draft.with_wake(due)
    if room is None or room >= draft.workers:
        return draft
    record = ShrinkStatus(workers=room, time=format_time(scene.now), reason=said)
    regrow = scene.now + timedelta(seconds=seconds(scene.spec.workers.grow_interval))
    message = f"no room for {len(waiting)} of {draft.workers} workers for {scene.spec.workers.pending_grace}: {said}"
    return (
        replace(draft, workers=room, waits="")
        .with_status(shrunk=record)
        .with_wake(regrow)
        .with_event("Shrunk", f"going on with {room} workers; {message}")
    )


def _since(pod: PodView) -> datetime:
    assert pod.unschedulable is not None
    return pod.unschedulable


def _at_most(counts: Sequence[int], limit: int) -> int | None:
    return max((count for count in counts if count <= limit), default=None)
