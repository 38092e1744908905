"""The schedules of a composed recipe, as the trainer computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from webssl_api.recipe import merged
from webssl_api.resolved import ResolvedRun
from webssl_trainer.config import TrainerConfig, trainer_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.optim import Schedules

from webssl_cli.manifest import check
from webssl_cli.recipes.axis import value_text
from webssl_cli.recipes.compose import Composed

SOMEWHERE = {
    "data": {"source": "file:///nowhere/0.tar"},
    "workers": {"max": 1},
    "checkpoint": {"uri": "file:///nowhere/run", "interval": {"samples": 10**12}},
}
"""A place for a recipe that has none; its schedules do not depend on it."""


@dataclass(frozen=True)
class Curve:
    """One scheduled value.

    value: of a 0-based step. first, last: the steps that are worth drawing. knees: steps where the shape changes, and
        what to say there.
    """

    title: str
    value: Callable[[int], float]
    first: int
    last: int
    knees: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecipeSchedules:
    """All schedules of a recipe. stages: side of the images in pixels and first step of each."""

    recipe: str
    total_steps: int
    global_batch: int
    stages: tuple[tuple[int, int], ...]
    curves: tuple[Curve, ...]


def trainer_settings(made: Composed) -> TrainerConfig:
    """What the trainer makes of the manifest.

    Raises:
        CliError: the manifest is wrong.
    """
    content = made.document.content
    spec = merged([SOMEWHERE, content["spec"]])
    # Without its annotation, so that nothing is asked for that a recipe needs only to be run.
    metadata = {**content["metadata"], "annotations": {}}
    run = check.valid(replace(made.document, content={**content, "metadata": metadata, "spec": spec}))
    return trainer_config(ResolvedRun.of(run))


def schedules_of(made: Composed) -> RecipeSchedules:
    """Every schedule that the run has: rate and decay, and those of its objective.

    Raises:
        CliError: the manifest is wrong.
    """
    config = trainer_settings(made)
    schedules, total = Schedules(config.optim, config.total_steps), config.total_steps
    warm = config.optim.warmup_steps
    peak = {warm: f"{value_text(config.optim.learning_rate)} after {_steps(warm)}"} if warm > 0 else {}
    curves = [
        Curve(
            "Learning rate",
            schedules.learning_rate,
            0,
            total,
            {**peak, **_at(schedules.learning_rate, total)},
        ),
        Curve("Weight decay", schedules.weight_decay, 0, total, _at(schedules.weight_decay, 0, total)),
    ]
    if isinstance(config.objective, DinoConfig):
        curves += _of_dino(config.objective, schedules, total)
    return RecipeSchedules(
        made.recipe,
        total,
        config.plan.global_batch,
        tuple((stage.global_size, stage.first) for stage in config.stages),
        tuple(curves),
    )


def _of_dino(dino: DinoConfig, schedules: Schedules, total: int) -> list[Curve]:
    warm = round(dino.teacher_warmup_fraction * total)
    hot = {warm: f"{value_text(dino.teacher_temperature)} after {_steps(warm)}"} if warm > 0 else {}

    def momentum(step: int) -> float:
        return dino.ema(step, total)

    curves = [
        Curve("Momentum of the teacher", momentum, 0, total, _at(momentum, 0, total)),
        Curve("Temperature of the teacher", lambda step: dino.temperature(step, total), 0, total, hot),
    ]
    frozen = dino.freeze_last_layer_steps
    if frozen > 0:
        curves.append(
            Curve(
                "Rate of the last layer, at first",
                lambda step: 0.0 if step < frozen else schedules.learning_rate(step),
                0,
                min(total, 4 * frozen),
                {frozen - 1: "", frozen: f"frozen for {_steps(frozen)}"},
            )
        )
    return curves


def _at(value: Callable[[int], float], *steps: int) -> dict[int, str]:
    return {step: value_text(value(step)) for step in steps}


def _steps(number: int) -> str:
    return f"{number:,} step" if number == 1 else f"{number:,} steps"
