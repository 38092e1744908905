"""Whether the run may have workers: suspended, under Kueue, done already, or free to go."""

from __future__ import annotations

from dataclasses import replace

from webssl_operator.plan.draft import Draft, Gate, Scene


def admit(scene: Scene, draft: Draft) -> Draft:
    """Set the gate and the condition Admitted."""
    run, spec, job = scene.snapshot.run, scene.spec, scene.snapshot.job
    if draft.status.training_completion_time is not None:
        return replace(draft, gate=Gate.TRAINED)
    if spec.suspend:
        held = replace(draft, gate=Gate.HELD)
        return held.with_condition(
            "Admitted", False, "Suspended", "spec.suspend is true: set it to false to go on", scene
        )
    if run.queue and (job is None or job.suspended):
        waits = f"waiting for Kueue's queue {run.queue} to admit the Job"
        return replace(draft, waits=waits).with_condition("Admitted", False, "Queued", waits, scene)
    return draft.with_condition("Admitted", True, "Admitted", "", scene)
