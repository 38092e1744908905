"""The end of training: the Job is complete, or it has failed."""

from __future__ import annotations

from dataclasses import replace

from webssl_operator.observe.times import format_time
from webssl_operator.plan.draft import Draft, Failure, Gate, Scene
from webssl_operator.plan.failures import is_user_error, last_words


def end_training(scene: Scene, draft: Draft) -> Draft:
    """Close the gate when the Job is complete; set `failure` when it has failed.

    A worker exits with 0 only when the final checkpoint is committed, so a complete Job is the end of training even without a report.
    """
    job = scene.snapshot.job
    if job is None or job.owner != scene.snapshot.run.uid or draft.failure is not None:
        return _condition(scene, draft)
    if draft.gate in (Gate.OPEN, Gate.HELD) and job.complete:
        done = format_time(job.completed or scene.now)
        draft = replace(draft, gate=Gate.TRAINED, waits="").with_status(
            training_completion_time=done, shrunk=None
        )
        if scene.spec.evaluation.suites:
            seen = draft.status.progress.total_samples
            draft = draft.with_event("TrainingComplete", f"all {seen} samples seen")
    elif draft.gate in (Gate.OPEN, Gate.HELD) and job.failed:
        draft = replace(draft, failure=_cause(scene))
    return _condition(scene, draft)


def _cause(scene: Scene) -> Failure:
    job = scene.snapshot.job
    assert job is not None
    culprit = next((pod for pod in scene.snapshot.pods if is_user_error(pod)), None)
    if culprit is not None:
        return Failure(
            "UserError",
            f"{culprit.name} says that no retry can help (exit code {culprit.exit_code}):\n{last_words(culprit)}",
        )
    if job.failed_reason == "PodFailurePolicy":
        return Failure("UserError", job.failed_message)
    return Failure(job.failed_reason or "JobFailed", job.failed_message or "the Job failed")


def _condition(scene: Scene, draft: Draft) -> Draft:
    if draft.gate is Gate.TRAINED:
        return draft.with_condition("TrainingComplete", True, "Complete", "", scene)
    if draft.failure is not None:
        return draft.with_condition("TrainingComplete", False, draft.failure.reason, "", scene)
    return draft.with_condition("TrainingComplete", False, "Training", "", scene)
