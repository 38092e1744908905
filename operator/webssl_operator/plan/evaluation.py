"""Evaluation of the final checkpoint, once training is done."""

from __future__ import annotations

from datetime import timedelta

from webssl_api import labels
from webssl_api.reports import TrainingState
from webssl_api.status import CheckpointStatus, EvaluationStatus, SuiteStatus

from webssl_operator.construct.evaluation_job import Bench
from webssl_operator.construct.owner import owner_of
from webssl_operator.observe.times import parse_time
from webssl_operator.plan.draft import Draft, Gate, Scene
from webssl_operator.plan.suites import Evidence, plan_suites


def evaluate(scene: Scene, draft: Draft) -> Draft:
    """Start, follow and judge the suites once training is done."""
    suites = scene.spec.evaluation.suites
    if draft.gate is not Gate.TRAINED or not suites:
        return draft
    checkpoint = _final_checkpoint(scene, draft)
    if checkpoint is None:
        return _without_checkpoint(scene, draft)
    before = draft.status.evaluation
    known = before.suites if before and before.checkpoint_digest == checkpoint.digest else []
    found = plan_suites(
        bench_of(scene),
        suites,
        checkpoint,
        known or known_elsewhere(draft.status.evaluations, checkpoint.digest),
        evidence_of(scene),
        scene.settings.pace.report_wait,
        scene.now,
    )
    status = evaluation_of(checkpoint).model_copy(update={"phase": found.phase, "suites": [*found.suites]})
    draft = draft.with_status(evaluation=status).with_actions(*found.actions)
    for event in found.events:
        draft = draft.with_event(event.reason, event.message, event.warning)
    return draft if found.wake is None else draft.with_wake(found.wake)


def bench_of(scene: Scene, request: str = "") -> Bench:
    """What the suites of a run share."""
    run, evaluation = scene.snapshot.run, scene.spec.evaluation
    return Bench(
        owner=owner_of(run),
        image=scene.settings.images.evaluation,
        storage=scene.spec.data.storage,
        template=evaluation.template,
        max_retries=evaluation.max_retries,
        config=labels.run_config_name(run.name),
        service_account=labels.service_account_name(run.name),
        priority_class=scene.settings.evaluation_priority,
        request=request,
    )


def evidence_of(scene: Scene) -> Evidence:
    """What is seen of the run's evaluations."""
    snapshot = scene.snapshot
    reports = {suite.key: snapshot.evaluation(suite.key) for suite in scene.spec.evaluation.suites}
    return Evidence(
        jobs=tuple(snapshot.evaluation_jobs.values()),
        pods=snapshot.evaluation_pods,
        reports={name: report for name, report in reports.items() if report is not None},
    )


def evaluation_of(checkpoint: CheckpointStatus) -> EvaluationStatus:
    """The status of an evaluation that has just been thought of."""
    return EvaluationStatus(
        checkpoint_digest=checkpoint.digest,
        checkpoint_uri=checkpoint.uri,
        attempt=checkpoint.attempt,
        step=checkpoint.step,
        samples=checkpoint.samples,
    )


def known_elsewhere(history: list[EvaluationStatus], digest: str) -> list[SuiteStatus]:
    """Suites that have succeeded on a checkpoint before, the newest of each: the same is never scored twice."""
    found = {
        suite.name: suite
        for entry in history
        if entry.checkpoint_digest == digest
        for suite in entry.suites
        if suite.phase == "Succeeded"
    }
    return list(found.values())


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
    completed = parse_time(draft.status.training_completion_time) or scene.now
    due = completed + timedelta(seconds=scene.settings.pace.report_wait)
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
