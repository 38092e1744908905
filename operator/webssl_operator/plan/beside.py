"""Evaluation beside training: from time to time and on demand, one checkpoint at a time. It never holds the run's phase."""

from __future__ import annotations

from webssl_api.evaluation import SuiteSpec
from webssl_api.evaluation_orders import HeldCheckpoint
from webssl_api.status import CheckpointStatus, EvaluationStatus, SuiteStatus

from webssl_operator.plan.actions import Delete
from webssl_operator.plan.draft import Draft, Gate, Scene
from webssl_operator.plan.evaluation import bench_of, evaluation_of, evidence_of, known_elsewhere
from webssl_operator.plan.holding import DONE, held_by_trainer, is_newer
from webssl_operator.plan.suites import plan_suites

KEPT = 16
"""Evaluations that the status remembers."""
_LONGEST = 300
"""Characters of a message that it remembers: many failed suites must not fill the object. The event has more of it."""


def evaluate_beside(scene: Scene, draft: Draft) -> Draft:
    """Go on with the evaluation that is under way; when there is none, start the next.

    Whatever changes is followed by another pass at once: orders to the trainer follow from the status as it was written.
    """
    before = scene.snapshot.run.status
    draft = _evaluate_beside(scene, draft)
    after = draft.status
    changed = (after.evaluations, after.evaluation_request) != (
        before.evaluations,
        before.evaluation_request,
    )
    return draft.with_wake(scene.now) if changed else draft


def _evaluate_beside(scene: Scene, draft: Draft) -> Draft:
    if draft.gate in (Gate.TRAINED, Gate.CLOSED) or draft.failure is not None:
        return _end(scene, draft)
    draft = _skip_overtaken(scene, draft)
    current = _current(draft)
    if current is not None:
        return _go_on(scene, draft, current)
    return _start(scene, _refuse(scene, draft)) if draft.gate is Gate.OPEN else draft


def _current(draft: Draft) -> EvaluationStatus | None:
    return next((entry for entry in draft.status.evaluations if entry.phase not in DONE), None)


def _suites(scene: Scene, entry: EvaluationStatus) -> list[SuiteSpec]:
    """All suites where somebody asked, else those that the manifest names for it."""
    spec = scene.spec.evaluation
    return [*spec.suites] if entry.request else spec.periodic_suites()


def _go_on(scene: Scene, draft: Draft, entry: EvaluationStatus) -> Draft:
    suites = _suites(scene, entry)
    if not suites:
        return _stopped(scene, draft, entry, "spec.evaluation asks for it no longer")
    checkpoint = CheckpointStatus(
        uri=entry.checkpoint_uri,
        digest=entry.checkpoint_digest,
        step=entry.step,
        samples=entry.samples,
        attempt=entry.attempt,
    )
    earlier = [one for one in draft.status.evaluations if one is not entry]
    mine = {suite.name for suite in entry.suites}
    known = [one for one in known_elsewhere(earlier, entry.checkpoint_digest) if one.name not in mine]
    found = plan_suites(
        bench_of(scene, entry.request),
        suites,
        checkpoint,
        [*entry.suites, *known],
        evidence_of(scene),
        scene.settings.pace.report_wait,
        scene.now,
    )
    after = entry.model_copy(
        update={"phase": found.phase, "suites": [_shortened(suite) for suite in found.suites]}
    )
    draft = _with_entry(draft, entry, after).with_actions(*found.actions)
    for event in found.events:
        draft = draft.with_event(event.reason, f"step {entry.step}: {event.message}", event.warning)
    return draft if found.wake is None else draft.with_wake(found.wake)


def _start(scene: Scene, draft: Draft) -> Draft:
    """What was asked for goes before what is due."""
    held, status = held_by_trainer(scene), draft.status
    asked = scene.snapshot.run.evaluate
    if asked and asked != status.evaluation_request and scene.spec.evaluation.suites:
        wanted = next((one for one in held if one.request == asked), None)
        if wanted is not None:
            return _begun(draft.with_status(evaluation_request=asked), wanted)
    due = _due(scene, draft)
    return _begun(draft, due[-1]) if due else draft


def _due(scene: Scene, draft: Draft) -> list[HeldCheckpoint]:
    """Checkpoints that are due and neither scored nor skipped, oldest first."""
    if not scene.spec.evaluation.periodic_suites():
        return []
    history = draft.status.evaluations
    found = {
        one.checkpoint.digest: one
        for one in held_by_trainer(scene)
        if not one.request and is_newer(one.checkpoint, history)
    }
    return sorted(found.values(), key=lambda one: (one.checkpoint.attempt, one.checkpoint.step))


def _begun(draft: Draft, one: HeldCheckpoint) -> Draft:
    """The entry alone: its Jobs are made once it is in the status, so that two operators make the same."""
    entry = evaluation_of(one.checkpoint).model_copy(update={"request": one.request})
    why = f"asked for by {one.request!r}" if one.request else "due"
    return _appended(draft, entry).with_event(
        "EvaluationStarted", f"checkpoint of step {entry.step} ({entry.samples} samples) is {why}"
    )


def _skip_overtaken(scene: Scene, draft: Draft) -> Draft:
    """The newest checkpoint that is due waits; a row of older ones would only fall further behind."""
    due = _due(scene, draft)
    for one in due[:-1]:
        message = f"the checkpoint of step {due[-1].checkpoint.step} came before there was time for it"
        entry = evaluation_of(one.checkpoint).model_copy(update={"phase": "Skipped", "message": message})
        draft = _appended(draft, entry).with_event("EvaluationSkipped", f"step {entry.step}: {message}")
    return draft


def _refuse(scene: Scene, draft: Draft) -> Draft:
    """Say why a request is not met."""
    report, asked = scene.snapshot.training, scene.snapshot.run.evaluate
    if not asked or asked == draft.status.evaluation_request:
        return draft
    refused = report.refused_request if report is not None else None
    if not scene.spec.evaluation.suites:
        reason = "the run has no suites: list them in spec.evaluation.suites"
    elif refused is not None and refused.request == asked:
        reason = refused.reason
    else:
        return draft
    draft = draft.with_status(evaluation_request=asked)
    return draft.with_event("EvaluationRefused", f"{asked!r}: {reason}", warning=True)


def _end(scene: Scene, draft: Draft) -> Draft:
    """Training is over: the final checkpoint is what counts, and its evaluation has the pods."""
    current, asked = _current(draft), scene.snapshot.run.evaluate
    if current is not None:
        draft = _stopped(scene, draft, current, "training ended before it was scored")
    if asked and asked != draft.status.evaluation_request:
        draft = draft.with_status(evaluation_request=asked).with_event(
            "EvaluationRefused", f"{asked!r}: training has ended, and only its last checkpoint is scored now"
        )
    return draft


def _stopped(scene: Scene, draft: Draft, entry: EvaluationStatus, message: str) -> Draft:
    suites = [suite for suite in entry.suites if suite.phase in DONE]
    after = entry.model_copy(update={"phase": "Skipped", "message": message, "suites": suites})
    jobs = [
        job
        for job in scene.snapshot.evaluation_jobs.values()
        if job.checkpoint_digest == entry.checkpoint_digest
        and not (job.complete or job.failed or job.deleting)
    ]
    return (
        _with_entry(draft, entry, after)
        .with_actions(*(Delete("Job", job.name, job.uid, foreground=True) for job in jobs))
        .with_event("EvaluationSkipped", f"step {entry.step}: {message}")
    )


def _shortened(suite: SuiteStatus) -> SuiteStatus:
    """A failed suite's message begins with what the Job says and ends with the pod's last words, which say more."""
    if len(suite.message) <= _LONGEST:
        return suite
    half = _LONGEST // 2
    return suite.model_copy(update={"message": f"{suite.message[: half - 2]} … {suite.message[1 - half :]}"})


def _with_entry(draft: Draft, before: EvaluationStatus, after: EvaluationStatus) -> Draft:
    return draft.with_status(
        evaluations=[after if entry is before else entry for entry in draft.status.evaluations]
    )


def _appended(draft: Draft, entry: EvaluationStatus) -> Draft:
    """With a new entry in its place by age, and what is over forgotten beyond the newest KEPT."""
    history = [*draft.status.evaluations, entry]
    spare = len(history) - KEPT
    kept = []
    for one in history:
        if spare > 0 and one.phase in DONE:
            spare -= 1
        else:
            kept.append(one)
    return draft.with_status(evaluations=kept)
