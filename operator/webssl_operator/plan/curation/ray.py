"""The pass on a RayJob of KubeRay, whose driver scores every range and makes the table."""

from __future__ import annotations

from datetime import timedelta

from webssl_api import labels
from webssl_api.curation_status import CurationPhase

from webssl_operator.construct.curation_ray import cluster_digest, ray_job
from webssl_operator.observe import rayjob
from webssl_operator.observe.rayjob import RayJobView
from webssl_operator.plan.actions import Apply, Delete, RunEvent
from webssl_operator.plan.curation.scene import Scene, Work

NO_REPORT = "the Ray driver ended well, but left no report of the table: look at the log of the RayJob"


def on_ray(scene: Scene) -> Work:
    """The next step."""
    job = scene.family.ray_jobs.get(labels.curation_name(scene.view.name))
    if job is None:
        return _create(scene)
    if job.deleting or job.owner != scene.view.uid:
        gone = () if job.deleting else (_delete(job),)
        return Work(CurationPhase.PENDING, "waiting for an old RayJob to go", actions=gone)
    if job.succeeded:
        return _succeeded(scene, job)
    if job.failed:
        words = "\n".join(text for text in (job.reason, job.message, scene.progress().message) if text)
        return Work(CurationPhase.FAILED, words or "the RayJob failed", "ScoringFailed", retries=job.failures)
    if scene.spec.suspend:
        return Work(CurationPhase.SUSPENDED, "the Ray cluster stops", actions=(_delete(job),))
    if job.template_digest != cluster_digest(scene.spec):
        return Work(
            CurationPhase.PENDING,
            "template or parallelism changed: the Ray cluster stops, and another one goes on from the scored shards",
            actions=(_delete(job),),
            events=(RunEvent("Restarting", "template or parallelism changed"),),
        )
    begun = job.job == "RUNNING" or scene.progress().shards_done > 0
    return Work(
        CurationPhase.SCORING if begun else CurationPhase.PENDING,
        "" if begun else job.message or "waiting for the Ray cluster to start",
        running=job.job == "RUNNING",
        retries=job.failures,
    )


def _create(scene: Scene) -> Work:
    if scene.spec.suspend:
        return Work(CurationPhase.SUSPENDED, "suspended by spec.suspend")
    made = ray_job(scene.view, scene.spec, scene.image)
    event = RunEvent("Created", f"RayJob with {scene.spec.parallelism} workers")
    return Work(
        CurationPhase.PENDING,
        "waiting for the Ray cluster to start",
        actions=(Apply(made),),
        events=(event,),
    )


def _succeeded(scene: Scene, job: RayJobView) -> Work:
    if scene.progress().finished:
        return Work(CurationPhase.SUCCEEDED, scored=True, retries=job.failures)
    due = (job.ended or scene.now) + timedelta(seconds=scene.settings.pace.report_wait)
    if scene.now < due:
        return Work(CurationPhase.FINISHING, scored=True, retries=job.failures, wake=due)
    return Work(CurationPhase.FAILED, NO_REPORT, "NoReport", scored=True, retries=job.failures)


def _delete(job: RayJobView) -> Delete:
    """In the foreground: its name stays taken until the cluster's last pod has gone, so that two passes never score at once."""
    return Delete(rayjob.KIND, job.name, job.uid, foreground=True)
