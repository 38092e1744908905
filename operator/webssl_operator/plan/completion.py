"""The phase of the run and the sentence that goes with it."""

from __future__ import annotations

from webssl_api.status import Phase

from webssl_operator.observe.times import format_time
from webssl_operator.plan.draft import Draft, Gate, Scene
from webssl_operator.plan.suites import failures, verdict


def conclude(scene: Scene, draft: Draft) -> Draft:
    """Set phase, message and the conditions that depend on them.

    A suite that failed fails the run: whoever waits for the phase must not take missing scores for a success. TrainingComplete stays
    True, the checkpoint stays, and the other suites' scores stand in the status.
    """
    phase, message = _phase(scene, draft)
    draft = _workers_ready(scene, draft)
    if phase in (Phase.SUCCEEDED, Phase.FAILED):
        draft = draft.with_status(completion_time=format_time(scene.now))
        draft = draft.with_event(phase.value, message.splitlines()[0], warning=phase is Phase.FAILED)
    elif phase not in (scene.snapshot.run.status.phase, Phase.PENDING):
        draft = draft.with_event(phase.value, message or f"the run is {phase.value.lower()}")
    if phase is Phase.FAILED:
        reason = draft.failure.reason if draft.failure else "EvaluationFailed"
        draft = draft.with_condition("Failed", True, reason, message, scene)
    return draft.with_status(phase=phase, message=message)


def _phase(scene: Scene, draft: Draft) -> tuple[Phase, str]:
    if draft.failure is not None:
        return Phase.FAILED, draft.failure.message
    if draft.gate is Gate.TRAINED:
        return _evaluated(scene, draft)
    running = sum(1 for pod in scene.snapshot.pods if pod.running)
    if draft.gate is Gate.HELD:
        stopping = sum(1 for pod in scene.snapshot.pods if not pod.over)
        return (
            Phase.SUSPENDED,
            f"{stopping} workers save and stop" if stopping else "suspended by spec.suspend",
        )
    if running == 0 and any(pod.phase == "Succeeded" for pod in scene.snapshot.pods):
        return Phase.RUNNING, "the last workers stop"
    if running == 0:
        return Phase.PENDING, draft.waits or "waiting for workers to start"
    ready = draft.status.workers.ready
    short = "" if ready >= draft.workers else f"{ready} of {draft.workers} workers are ready"
    return Phase.RUNNING, draft.waits or short


def _evaluated(scene: Scene, draft: Draft) -> tuple[Phase, str]:
    if not scene.spec.evaluation.suites:
        return Phase.SUCCEEDED, "training is complete"
    status = draft.status.evaluation
    if status is None:
        return Phase.EVALUATING, "waiting for the report of the final checkpoint"
    if status.phase == "Failed":
        return Phase.FAILED, f"training is complete, evaluation failed: {failures(status.suites)}"
    if status.phase == "Succeeded":
        return Phase.SUCCEEDED, "training and evaluation are complete"
    done = sum(1 for suite in status.suites if suite.phase == "Succeeded")
    return Phase.EVALUATING, f"{done} of {len(status.suites)} suites are done"


def _workers_ready(scene: Scene, draft: Draft) -> Draft:
    status = draft.status.evaluation
    if scene.spec.evaluation.suites and draft.gate is Gate.TRAINED and status is not None:
        reason, message = verdict(status.suites)
        draft = draft.with_condition("Evaluated", status.phase == "Succeeded", reason, message, scene)
    if draft.gate is not Gate.OPEN or draft.failure is not None:
        return draft
    workers = draft.status.workers
    enough = workers.ready >= scene.spec.workers.min
    return draft.with_condition(
        "WorkersReady", enough, "Ready" if enough else "Waiting", "" if enough else draft.waits, scene
    )
