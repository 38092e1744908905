"""Builds the run's objective: one line per objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webssl_trainer.config import TrainerConfig
from webssl_trainer.loop.processes import Processes
from webssl_trainer.model import should_shard
from webssl_trainer.objectives import Objective
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective

_BUILDERS: dict[type, Callable[..., Any]] = {
    DinoConfig: DinoObjective,
}


def build_objective(config: TrainerConfig, processes: Processes) -> Objective:
    """The objective with its networks on this process's device, with their initial values."""
    parallel = processes.parallel(should_shard(config.vit, processes.peers.world))
    built: Objective = _BUILDERS[type(config.objective)](config.vit, config.objective, parallel, config.seed)
    return built
