"""The run's children: what stands for the run's life, and the one Job of its workers."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.status import WorkerPod, WorkersStatus

from webssl_operator.construct.children import standing_children, standing_marks
from webssl_operator.construct.worker_job import template_digest, worker_job
from webssl_operator.observe.job import JobView
from webssl_operator.plan.actions import Apply, Delete, Scale
from webssl_operator.plan.draft import Draft, Gate, Scene
from webssl_operator.plan.holding import orders_text


def keep_workers(scene: Scene, draft: Draft) -> Draft:
    """Bring children and Job to what is wanted now, and say in the status how many workers are ready."""
    draft = _job(scene, _children(scene, draft))
    wanted = draft.workers if draft.gate is Gate.OPEN and draft.failure is None else 0
    ready = sum(
        1 for pod in scene.snapshot.pods if pod.ready and pod.running and (pod.index or 0) < draft.workers
    )
    running = [
        WorkerPod(name=pod.name, uid=pod.uid, index=pod.index)
        for pod in sorted(scene.snapshot.pods, key=lambda pod: pod.name)
        if pod.phase == "Running" and not pod.gone  # one that is being deleted is not lost yet
    ]
    selector = f"{labels.RUN}={scene.snapshot.run.name},{labels.ROLE}={labels.ROLE_WORKER}"
    return draft.with_status(
        workers=WorkersStatus(
            ready=ready, desired=wanted, summary=f"{ready}/{wanted}", selector=selector, running=running
        )
    )


def _children(scene: Scene, draft: Draft) -> Draft:
    """Apply what this process has not applied in this form. A namesake's leftover is removed first: its data is not this run's."""
    if draft.failure is not None:
        return draft
    snapshot = scene.snapshot
    first = snapshot.run.status.phase is None
    guarded = any(pod.running for pod in snapshot.pods)
    orders = orders_text(scene)
    marks = standing_marks(snapshot.run, scene.spec, draft.workers, guarded, orders)
    if all(snapshot.applied.get(key) == mark for key, mark in marks.items()):
        return draft
    for manifest in standing_children(snapshot.run, scene.spec, draft.workers, guarded, orders):
        key = (manifest["kind"], manifest["metadata"]["name"])
        found = snapshot.config_maps.get(key[1]) if key[0] == "ConfigMap" else None
        if found is not None and found.owner not in ("", snapshot.run.uid):
            if not found.deleting:
                draft = draft.with_actions(Delete("ConfigMap", found.name, found.uid))
        elif snapshot.applied.get(key) != marks[key]:
            draft = draft.with_actions(Apply(manifest, marks[key], fresh=first))
    return draft


def _job(scene: Scene, draft: Draft) -> Draft:
    run, job = scene.snapshot.run, scene.snapshot.job
    if job is not None and job.deleting:
        return draft
    if job is not None and job.owner != run.uid:
        return draft.with_actions(Delete("Job", job.name, job.uid, foreground=True))
    if draft.failure is not None:
        return draft if job is None or job.failed else draft.with_actions(_delete(job))
    if draft.gate is Gate.HELD:
        return _hold(draft, job, bool(run.queue))
    if draft.gate is not Gate.OPEN:
        return draft
    if job is None:
        made = worker_job(run, scene.spec, scene.settings.images, draft.workers)
        return draft.with_actions(Apply(made, fresh=True)).with_event(
            "Created", f"Job with {draft.workers} workers"
        )
    if job.ending:
        return draft
    if job.template_digest != template_digest(scene.spec):
        return draft.with_actions(_delete(job)).with_event(
            "Restarting", "the pods' template changed: workers save, stop, and start with the new one"
        )
    return _scale(draft, job, bool(run.queue))


def _hold(draft: Draft, job: JobView | None, queued: bool) -> Draft:
    """Suspending a Job that Kueue holds would be undone by Kueue; without its Job the quota is free."""
    if job is None or job.ending:
        return draft
    if queued:
        return draft.with_actions(_delete(job))
    return draft if job.suspended else draft.with_actions(Scale(job.name, job.uid, suspend=True))


def _scale(draft: Draft, job: JobView, queued: bool) -> Draft:
    resized = job.parallelism != draft.workers or job.completions != draft.workers
    resumed = job.suspended and not queued
    if not resized and not resumed:
        return draft
    return draft.with_actions(
        Scale(
            job.name,
            job.uid,
            workers=draft.workers if resized else None,
            suspend=False if resumed else None,
        )
    )


def _delete(job: JobView) -> Delete:
    """In the foreground: the Job's name stays taken until its last pod has stopped, so that two groups never train at once."""
    return Delete("Job", job.name, job.uid, foreground=True)
