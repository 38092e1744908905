"""Builds the run's objective: one line per objective."""

from __future__ import annotations

from webssl_trainer.config import TrainerConfig
from webssl_trainer.loop.processes import Processes
from webssl_trainer.model import should_shard
from webssl_trainer.objectives import Objective
from webssl_trainer.objectives.dino import DinoObjective


def build_objective(config: TrainerConfig, processes: Processes) -> Objective:
    """The objective with its networks on this process's device, with their initial values."""
    parallel = processes.parallel(should_shard(config.vit, processes.peers.world))
    return DinoObjective(config.vit, config.dino, parallel, config.seed)
