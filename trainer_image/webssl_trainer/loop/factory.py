"""Builds the run's objective: one line per objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webssl_trainer.config import TrainerConfig
from webssl_trainer.loop.processes import Processes
from webssl_trainer.model import should_shard
from webssl_trainer.objectives import Objective
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective
from webssl_trainer.objectives.mae import MaeConfig, MaeObjective

_BUILDERS: dict[type, Callable[..., Any]] = {
    DinoConfig: DinoObjective,
    MaeConfig: MaeObjective,
    ClipConfig: ClipObjective,
}


def build_objective(config: TrainerConfig, processes: Processes, files: Mapping[str, bytes]) -> Objective:
    """The objective with its networks on this process's device, with their initial values.

    files: what its settings need, by URL; an objective whose settings name none is built without.
    """
    shard = should_shard(config.vit, processes.peers.world)
    settings, parallel = config.objective, processes.parallel(shard, config.compute)
    needed = {"files": files} if settings.needs.files else {}
    built: Objective = _BUILDERS[type(settings)](config.vit, settings, parallel, config.seed, **needed)
    return built
