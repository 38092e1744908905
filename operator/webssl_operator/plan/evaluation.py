"""Evaluation: one Job per suite on the final checkpoint, each with its own retries, none of them in the way of another."""

from __future__ import annotations

from datetime import datetime, timedelta

from webssl_api.evaluation import SuiteSpec
from webssl_api.reports import TrainingState
from webssl_api.status import CheckpointStatus, EvaluationStatus, SuiteStatus

from webssl_operator.construct.evaluation_job import evaluation_job
from webssl_operator.observe.job import JobView
from webssl_operator.observe.times import parse_time
from webssl_operator.plan.actions import Apply, Delete
from webssl_operator.plan.draft import Draft, Failure, Gate, Scene
from webssl_operator.plan.failures import last_words

OVER = frozenset({"Succeeded", "Failed"})


def evaluate(scene: Scene, draft: Draft) -> Draft:
    """Start, follow and judge the suites once training is done."""
    suites = scene.spec.evaluation.suites
    if draft.gate is not Gate.TRAINED or not suites:
        return draft
    checkpoint = _final_checkpoint(scene, draft)
    if checkpoint is None:
        return _without_checkpoint(scene, draft)
    before = draft.status.evaluation
    known = {
        suite.name: suite
        for suite in (before.suites if before and before.checkpoint_digest == checkpoint.digest else ())
    }
    results: list[SuiteStatus] = []
    for suite in suites:
        draft, result = _suite(scene, draft, suite, checkpoint, known.get(suite.key))
        results.append(result)
    status = EvaluationStatus(phase=_overall(results), checkpoint_digest=checkpoint.digest, suites=results)
    draft = draft.with_status(evaluation=status)
    return _announce(draft, known, status)


def _final_checkpoint(scene: Scene, draft: Draft) -> CheckpointStatus | None:
    """The checkpoint that the completing worker reported. Once evaluation has begun, the status pins it."""
    last = draft.status.last_checkpoint
    begun = draft.status.evaluation
    if last is not None and begun is not None and begun.checkpoint_digest == last.digest:
        return last
    report = scene.snapshot.training
    complete = report is not None and report.state is TrainingState.COMPLETED
    return last if complete else None


def _without_checkpoint(scene: Scene, draft: Draft) -> Draft:
    due = _after(parse_time(draft.status.training_completion_time), scene)
    if scene.now < due:
        return draft.with_wake(due)
    message = "training ended without a report of its final checkpoint: look at the log of worker 0"
    return draft.with_status(
        evaluation=EvaluationStatus(
            phase="Failed",
            suites=[
                SuiteStatus(name=suite.key, phase="Failed", message=message)
                for suite in scene.spec.evaluation.suites
            ],
        )
    )


def _suite(
    scene: Scene,
    draft: Draft,
    suite: SuiteSpec,
    checkpoint: CheckpointStatus,
    known: SuiteStatus | None,
) -> tuple[Draft, SuiteStatus]:
    """One suite's next step and what its status says."""
    if known is not None and known.phase in OVER:
        return draft, known
    job = scene.snapshot.evaluation_jobs.get(suite.key)
    waiting = SuiteStatus(name=suite.key)
    if job is not None and job.deleting:
        return draft, waiting
    foreign = job is not None and (
        job.owner != scene.snapshot.run.uid or job.checkpoint_digest != checkpoint.digest
    )
    if job is not None and foreign:
        return draft.with_actions(Delete("Job", job.name, job.uid, foreground=True)), waiting
    if job is None:
        made = evaluation_job(scene.snapshot.run, scene.spec, scene.settings.images, suite, checkpoint)
        return draft.with_actions(Apply(made)), waiting
    return _judged(scene, draft, suite, checkpoint, job)


def _judged(
    scene: Scene, draft: Draft, suite: SuiteSpec, checkpoint: CheckpointStatus, job: JobView
) -> tuple[Draft, SuiteStatus]:
    running = SuiteStatus(
        name=suite.key, phase="Running" if job.active or job.failures else "Pending", retries=job.failures
    )
    if job.failed:
        failure = _failure(scene, suite.key, job)
        return draft, running.model_copy(update={"phase": "Failed", "message": failure.message})
    if not job.complete:
        return draft, running
    report = scene.snapshot.evaluation(suite.key)
    if report is not None and report.checkpoint_digest == checkpoint.digest:
        return draft, running.model_copy(
            update={"phase": "Succeeded", "scores": report.scores, "questions": report.questions}
        )
    due = _after(job.completed, scene)
    if scene.now < due:
        return draft.with_wake(due), running
    message = f"the pod ended well, but left no report on checkpoint {checkpoint.digest[:12]}"
    return draft, running.model_copy(update={"phase": "Failed", "message": message})


def _failure(scene: Scene, suite: str, job: JobView) -> Failure:
    pods = [p for p in scene.snapshot.evaluation_pods if p.suite == suite and p.phase == "Failed"]
    words = [last_words(pod) for pod in pods if pod.log]
    return Failure(job.failed_reason, "\n".join([job.failed_message, *words[-1:]]).strip())


def _overall(results: list[SuiteStatus]) -> str:
    phases = {result.phase for result in results}
    if phases <= OVER:
        return "Failed" if "Failed" in phases else "Succeeded"
    return "Running" if phases & {"Running", *OVER} else "Pending"


def _announce(draft: Draft, known: dict[str, SuiteStatus], status: EvaluationStatus) -> Draft:
    for suite in status.suites:
        before = known.get(suite.name)
        if suite.phase in OVER and (before is None or before.phase != suite.phase):
            scores = ", ".join(f"{name} {value:.2f}" for name, value in sorted(suite.scores.items()))
            draft = draft.with_event(
                f"Evaluation{suite.phase}",
                f"{suite.name}: {scores or suite.message}",
                warning=suite.phase == "Failed",
            )
    return draft


def _after(moment: datetime | None, scene: Scene) -> datetime:
    return (moment or scene.now) + timedelta(seconds=scene.settings.pace.report_wait)
