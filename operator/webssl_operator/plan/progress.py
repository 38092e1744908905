"""What rank 0 reports: progress, attempt, checkpoints, and checkpoints that did not verify."""

from __future__ import annotations

from webssl_api.reports import TrainingReport
from webssl_api.status import ProgressStatus

from webssl_operator.plan.draft import Draft, Scene


def follow_progress(scene: Scene, draft: Draft) -> Draft:
    """Take the newest report into the status. A report of an older attempt is a zombie's and is ignored."""
    report, status = scene.snapshot.training, draft.status
    total = scene.spec.schedule.total_samples
    if report is None or report.attempt < status.attempt:
        return draft.with_status(progress=status.progress.model_copy(update={"total_samples": total}))
    alive = any(pod.running for pod in scene.snapshot.pods)
    draft = draft.with_status(
        attempt=report.attempt,
        lost_steps=max(report.lost_steps, status.lost_steps),
        last_checkpoint=report.last_checkpoint or status.last_checkpoint,
        resumed_from=report.resumed_from,
        rejected_checkpoints=report.rejected_checkpoints,
        progress=ProgressStatus(
            samples=report.samples,
            total_samples=total,
            step=report.step,
            percent=min(100, 100 * report.samples // total),
            loss=report.loss,
            images_per_second=report.images_per_second if alive else None,
            broken_samples=report.broken_samples,
            updated_time=report.time,
        ),
    )
    return _verified(scene, _resumed(scene, draft, report), report)


def _resumed(scene: Scene, draft: Draft, report: TrainingReport) -> Draft:
    before = scene.snapshot.run.status
    source = report.resumed_from
    if source is None or (before.attempt == report.attempt and before.resumed_from == source):
        return draft
    return draft.with_event(
        "Resumed",
        f"attempt {report.attempt} goes on from step {source.step} ({source.samples} samples), {source.uri}",
    )


def _verified(scene: Scene, draft: Draft, report: TrainingReport) -> Draft:
    """Condition CheckpointVerified: False with reason FellBack while the attempt runs on an older checkpoint than the newest."""
    rejected = report.rejected_checkpoints
    if rejected:
        source = report.resumed_from
        instead = (
            f"resumed from step {source.step} instead" if source else "no older one was left: started anew"
        )
        message = "; ".join(f"{one.uri}: {one.reason}" for one in rejected) + f"; {instead}"
        draft = draft.with_condition("CheckpointVerified", False, "FellBack", message, scene)
        if rejected != scene.snapshot.run.status.rejected_checkpoints:
            draft = draft.with_event("CheckpointRejected", message, warning=True)
        return draft
    if draft.status.last_checkpoint is not None:
        return draft.with_condition("CheckpointVerified", True, "Verified", "", scene)
    return draft
