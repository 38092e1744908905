"""Which parameter gets which share of the learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True)
class Treatment:
    """How the schedules apply to a parameter.

    lr_multiplier, weight_decay_multiplier: factors on the scheduled values.
    frozen_steps: the learning rate is 0 in steps [0, frozen_steps); moments are gathered meanwhile.
    """

    lr_multiplier: float = 1.0
    weight_decay_multiplier: float = 1.0
    frozen_steps: int = 0


@dataclass
class ParamGroup:
    """Parameters with the same treatment and their qualified names, in the same order."""

    treatment: Treatment
    params: list[nn.Parameter] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def group_parameters(module: nn.Module, treat: Callable[[str], Treatment]) -> list[ParamGroup]:
    """Group the trainable parameters of a module by treatment, in the order of first appearance."""
    groups: dict[Treatment, ParamGroup] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            treatment = treat(name)
            group = groups.setdefault(treatment, ParamGroup(treatment))
            group.params.append(parameter)
            group.names.append(name)
    return list(groups.values())


def decays(name: str) -> bool:
    """Whether weight decay applies: not to biases, norms and LayerScale (DINOv2 recipe)."""
    owner, _, leaf = name.rpartition(".")
    is_norm = owner.rpartition(".")[2].startswith("norm")
    return not (leaf in ("bias", "gamma") or is_norm)
