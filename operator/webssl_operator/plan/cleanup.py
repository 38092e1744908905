"""What must go: pods on lost nodes, old failed pods, and evaluations that nobody asks for any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webssl_operator.plan.actions import BuryPod, Delete
from webssl_operator.plan.draft import Draft, Scene

KEPT_FAILED_PODS = 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def clean_up(scene: Scene, draft: Draft) -> Draft:
    """Add the deletions that no owner reference does."""
    return _old_suites(scene, _old_failures(scene, _lost_pods(scene, draft)))


def _lost_pods(scene: Scene, draft: Draft) -> Draft:
    """A pod that is still there after its grace time is over sits on a node that does not answer."""
    patience = timedelta(seconds=scene.settings.pace.lost_after)
    for pod in (*scene.snapshot.pods, *scene.snapshot.evaluation_pods):
        if pod.gone or pod.deleted is None or not pod.node:
            continue
        due = pod.deleted + patience
        if scene.now < due:
            draft = draft.with_wake(due)
        elif pod.grace > 0 or not pod.over:
            draft = draft.with_actions(BuryPod(pod)).with_wake(scene.now + 2 * patience)
    return draft


def _old_failures(scene: Scene, draft: Draft) -> Draft:
    """Failed pods keep their logs; the newest few are enough. Only those that the status holds may go."""
    recorded = {record.uid for record in scene.snapshot.run.status.restarts.recent}
    failed = [
        pod
        for pod in scene.snapshot.pods
        if pod.phase == "Failed" and not pod.gone and pod.deleted is None and pod.uid in recorded
    ]
    failed.sort(key=lambda pod: (pod.finished or pod.created or _LONG_AGO, pod.name), reverse=True)
    return draft.with_actions(*(Delete("Pod", pod.name, pod.uid) for pod in failed[KEPT_FAILED_PODS:]))


def _old_suites(scene: Scene, draft: Draft) -> Draft:
    wanted = {suite.key for suite in scene.spec.evaluation.suites}
    unwanted = [
        job for key, job in scene.snapshot.evaluation_jobs.items() if key not in wanted and not job.deleting
    ]
    return draft.with_actions(*(Delete("Job", job.name, job.uid) for job in unwanted))
