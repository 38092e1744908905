"""Which module plans which objective: one line for each, by the type of its settings."""

from __future__ import annotations

from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.objectives.clip.config import ClipConfig
from webssl_trainer.objectives.dino.config import DinoConfig
from webssl_trainer.objectives.mae.config import MaeConfig
from webssl_trainer.planning.clip import ClipPlan
from webssl_trainer.planning.dino import DinoPlan
from webssl_trainer.planning.mae import MaePlan
from webssl_trainer.planning.quantities import ObjectivePlan

_PLANS: dict[type, tuple[str, ObjectivePlan[Any]]] = {
    DinoConfig: ("dino", DinoPlan()),
    MaeConfig: ("mae", MaePlan()),
    ClipConfig: ("clip", ClipPlan()),
}


def plan_of(config: object) -> ObjectivePlan[Any]:
    """The plan of an objective's settings. Raises UserError for an objective that the planner does not know."""
    if type(config) not in _PLANS:
        known = ", ".join(name for name, _ in _PLANS.values())
        asked = type(config).__name__.removesuffix("Config").lower()
        raise UserError(
            f"spec.objective {asked}: planning knows {known} only; train it without a plan, or plan a run of {known}"
        )
    return _PLANS[type(config)][1]
