"""Optimizer: schedules as functions of the step, parameter groups, gradient reduction and clipping."""

from webssl_trainer.optim.adamw import build_optimizer
from webssl_trainer.optim.gradients import clip_gradients, sum_gradients
from webssl_trainer.optim.param_groups import ParamGroup, Treatment, decays, group_parameters
from webssl_trainer.optim.schedules import OptimConfig, Schedules

__all__ = [
    "OptimConfig",
    "ParamGroup",
    "Schedules",
    "Treatment",
    "build_optimizer",
    "clip_gradients",
    "decays",
    "group_parameters",
    "sum_gradients",
]
