"""The pass on an Indexed Job, one completion for each range of shards, and a small Job that makes the table of them."""

from __future__ import annotations

from datetime import timedelta

from webssl_api import labels
from webssl_api.curation_status import CurationPhase

from webssl_operator.construct.curation import finishing_job, scoring_job, template_digest
from webssl_operator.observe.job import JobView
from webssl_operator.plan.actions import Apply, Delete, RunEvent, Scale
from webssl_operator.plan.curation.scene import Scene, Work

NO_REPORT = "the finishing pod ended well, but left no report of the table: look at its log"


def on_jobs(scene: Scene, scored: bool) -> Work:
    """The next step. scored: an earlier pass of the operator saw the last range scored, so its Job is no longer asked."""
    job = scene.family.jobs.get(labels.curation_name(scene.view.name))
    if scored or (job is not None and job.owner == scene.view.uid and job.complete):
        return _finish(scene, job.failures if job is not None else 0)
    if job is None:
        return _create(scene)
    if job.deleting or job.owner != scene.view.uid:
        gone = () if job.deleting else (Delete("Job", job.name, job.uid, foreground=True),)
        return Work(CurationPhase.PENDING, "waiting for an old Job to go", actions=gone)
    if job.failed:
        return _failed(scene, job)
    if scene.spec.suspend:
        return _hold(scene, job)
    if job.template_digest != template_digest(scene.spec) and not job.ending:
        return Work(
            CurationPhase.PENDING,
            "the pods' template changed: pods stop, and start with the new one",
            actions=(Delete("Job", job.name, job.uid, foreground=True),),
            events=(RunEvent("Restarting", "the pods' template changed"),),
        )
    return _score(scene, job)


def _create(scene: Scene) -> Work:
    if scene.spec.suspend:
        return Work(CurationPhase.SUSPENDED, "suspended by spec.suspend")
    made = scoring_job(scene.view, scene.spec, scene.image)
    event = RunEvent("Created", f"Job with {scene.spec.ranges} ranges of shards")
    return Work(
        CurationPhase.PENDING,
        "waiting for pods to start",
        actions=(Apply(made, fresh=True),),
        events=(event,),
    )


def _hold(scene: Scene, job: JobView) -> Work:
    """Suspending a Job that Kueue holds would be undone by Kueue; without its Job the quota is free."""
    stopping = f"{job.active} pods stop" if job.active else "suspended by spec.suspend"
    held = Work(CurationPhase.SUSPENDED, stopping, retries=job.failures)
    if scene.view.queue:
        gone = (Delete("Job", job.name, job.uid, foreground=True),)
        return Work(CurationPhase.SUSPENDED, stopping, retries=job.failures, actions=gone)
    if job.suspended or job.ending:
        return held
    return Work(
        CurationPhase.SUSPENDED,
        stopping,
        retries=job.failures,
        actions=(Scale(job.name, job.uid, suspend=True),),
    )


def _score(scene: Scene, job: JobView) -> Work:
    wanted = min(scene.spec.parallelism, scene.spec.ranges)
    resized = job.parallelism != wanted and not job.ending
    resumed = job.suspended and not scene.view.queue
    actions = (
        (
            Scale(
                job.name,
                job.uid,
                parallelism=wanted if resized else None,
                suspend=False if resumed else None,
            ),
        )
        if resized or resumed
        else ()
    )
    running = any(pod.running and pod.job_uid == job.uid for pod in scene.family.pods)
    begun = running or job.failures > 0 or scene.progress().shards_done > 0
    waits = f"waiting for Kueue's queue {scene.view.queue} to admit the Job"
    waits = waits if job.suspended and scene.view.queue else "waiting for pods to start"
    return Work(
        CurationPhase.SCORING if begun else CurationPhase.PENDING,
        "" if begun else waits,
        running=running,
        retries=job.failures,
        actions=actions,
    )


def _failed(scene: Scene, job: JobView) -> Work:
    said = next((report.message for report in scene.reports() if report.message), "")
    words = "\n".join(text for text in (job.failed_message, said or scene.words_of(job.uid)) if text)
    reason = "UserError" if job.failed_reason == "PodFailurePolicy" else "ScoringFailed"
    return Work(CurationPhase.FAILED, words or "the Job failed", reason, retries=job.failures)


def _finish(scene: Scene, retries: int) -> Work:
    """Every range is scored: one pod makes the table."""
    phase = CurationPhase.FINISHING
    job = scene.family.jobs.get(labels.curation_finish_name(scene.view.name))
    if job is None:
        made = finishing_job(scene.view, scene.spec, scene.image)
        return Work(phase, scored=True, retries=retries, actions=(Apply(made, fresh=True),))
    if job.deleting or job.owner != scene.view.uid:
        gone = () if job.deleting else (Delete("Job", job.name, job.uid, foreground=True),)
        return Work(phase, "waiting for an old Job to go", scored=True, retries=retries, actions=gone)
    retries += job.failures
    if job.failed:
        words = "\n".join(text for text in (job.failed_message, scene.words_of(job.uid)) if text)
        reason = "UserError" if job.failed_reason == "PodFailurePolicy" else "FinishingFailed"
        return Work(CurationPhase.FAILED, words or "the finishing Job failed", reason, True, retries=retries)
    if not job.complete:
        return Work(phase, scored=True, running=job.active > 0, retries=retries)
    if scene.progress().finished:
        return Work(CurationPhase.SUCCEEDED, scored=True, retries=retries)
    due = (job.completed or scene.now) + timedelta(seconds=scene.settings.pace.report_wait)
    if scene.now < due:
        return Work(phase, scored=True, retries=retries, wake=due)
    return Work(CurationPhase.FAILED, NO_REPORT, "NoReport", scored=True, retries=retries)
