"""Which checkpoints the trainer is to hold until they are scored: what the operator writes beside run.yaml. Pure.

The protocol is in `webssl_api.evaluation_orders`. All of it follows from the run's status and the trainer's newest report, so an operator
that starts anew says the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from webssl_api.evaluation_orders import EvaluationOrders, Held, HeldCheckpoint
from webssl_api.evaluation_status import HoldPhase
from webssl_api.status import CheckpointStatus, EvaluationStatus

from webssl_operator.plan.draft import Scene

DONE = frozenset({"Succeeded", "Failed", "Skipped"})


def orders_text(scene: Scene) -> str:
    """The orders as JSON; empty where nothing is ordered."""
    orders = orders_of(scene)
    return (
        "" if orders == EvaluationOrders() else orders.model_dump_json(by_alias=True, exclude_defaults=True)
    )


def orders_of(scene: Scene) -> EvaluationOrders:
    """What the trainer is asked to hold, and to let go."""
    run, spec = scene.snapshot.run, scene.spec.evaluation
    holds = [hold for hold in run.status.holds if hold.phase is not HoldPhase.REFUSED]
    for_others = EvaluationOrders(
        request=next((one.request for one in holds if one.phase is HoldPhase.ASKED and not one.digest), ""),
        scoring=[Held(digest=hold.digest, request=hold.request) for hold in holds if hold.digest],
    )
    if not spec.suites:
        return for_others
    history = run.status.evaluations
    return EvaluationOrders(
        every_samples=spec.periodic.every_samples if spec.periodic is not None else None,
        request=for_others.request or request_of_user(scene),
        scoring=[
            *(
                Held(digest=entry.checkpoint_digest, request=entry.request)
                for entry in history
                if entry.phase not in DONE
            ),
            *for_others.scoring,
        ],
        over=[
            one.held
            for one in held_by_trainer(scene)
            if is_over(one, history, run.evaluate, run.status.evaluation_request)
        ],
    )


def request_of_user(scene: Scene) -> str:
    """Text of the request on the run that is neither taken up nor refused."""
    run = scene.snapshot.run
    return (
        run.evaluate if scene.spec.evaluation.suites and run.evaluate != run.status.evaluation_request else ""
    )


def held_by_trainer(scene: Scene) -> list[HeldCheckpoint]:
    """What the trainer says that it holds for the run's own evaluations."""
    others = {hold.request for hold in scene.snapshot.run.status.holds}
    return [one for one in told_by_trainer(scene) if one.request not in others]


def told_by_trainer(scene: Scene) -> list[HeldCheckpoint]:
    """All that the trainer says that it holds. The word of an older attempt does not count."""
    report = scene.snapshot.training
    if report is None or report.attempt < scene.snapshot.run.status.attempt:
        return []
    return report.held_checkpoints


def is_over(one: HeldCheckpoint, history: Sequence[EvaluationStatus], asked: str, answered: str) -> bool:
    """Whether a checkpoint need not be held any longer.

    Args:
        one: the checkpoint, as the trainer holds it.
        history: evaluations so far, oldest first.
        asked: text of the request that stands on the run.
        answered: text of the request that was taken up or refused last.
    """
    same = [entry for entry in history if _held(entry) == one.held]
    if same:
        return same[-1].phase in DONE
    if one.request:
        return one.request != asked or one.request == answered
    return not is_newer(one.checkpoint, history)


def is_newer(checkpoint: CheckpointStatus, history: Sequence[EvaluationStatus]) -> bool:
    """Whether a checkpoint is newer than every one that was scored, or skipped, without being asked for."""
    place = (checkpoint.attempt, checkpoint.step)
    return all((entry.attempt, entry.step) < place for entry in history if not entry.request)


def _held(entry: EvaluationStatus) -> Held:
    return Held(digest=entry.checkpoint_digest, request=entry.request)
