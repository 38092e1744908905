"""What must go: pods on lost nodes, old failed pods, and evaluations that nobody asks for any more."""

from __future__ import annotations

from datetime import UTC, datetime

from webssl_operator.plan.actions import Delete
from webssl_operator.plan.draft import Draft, Scene
from webssl_operator.plan.lost_pods import lost_pods

KEPT_FAILED_PODS = 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def clean_up(scene: Scene, draft: Draft) -> Draft:
    """Add the deletions that no owner reference does."""
    return _old_suites(scene, _old_failures(scene, _lost_pods(scene, draft)))


def _lost_pods(scene: Scene, draft: Draft) -> Draft:
    pods = (*scene.snapshot.pods, *scene.snapshot.evaluation_pods)
    buried, wake = lost_pods(pods, scene.now, scene.settings.pace.lost_after)
    draft = draft.with_actions(*buried)
    return draft if wake is None else draft.with_wake(wake)


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
        job for job in scene.snapshot.evaluation_jobs.values() if job.suite not in wanted and not job.deleting
    ]
    return draft.with_actions(*(Delete("Job", job.name, job.uid) for job in unwanted))
