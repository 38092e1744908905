"""From `spec.objective` to the settings of an objective: one file and one line for each."""

from __future__ import annotations

from webssl_api.run import WebSSLRunSpec

from webssl_trainer.configs.clip import clip_config
from webssl_trainer.configs.dino import dino_config
from webssl_trainer.configs.mae import mae_config
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.interface import ObjectiveConfig


def objective_config(spec: WebSSLRunSpec, total_steps: int) -> ObjectiveConfig:
    """Settings of the run's objective. Raises UserError for one that this trainer does not know."""
    objective = spec.objective
    if objective.dino is not None:
        return dino_config(spec, objective.dino, total_steps)
    if objective.mae is not None:
        return mae_config(spec, objective.mae)
    if objective.clip is not None:
        return clip_config(spec, objective.clip)
    raise UserError(
        f"spec.objective: this trainer does not know {objective.kind}: write `objective: {{dino: {{}}}}`"
    )
