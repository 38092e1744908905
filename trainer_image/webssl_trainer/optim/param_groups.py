"""Which parameter gets which share of the learning rate and weight decay."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn


@dataclass
class ParamGroup:
    """Parameters with the same treatment.

    lr_multiplier, weight_decay_multiplier: factors on the scheduled values.
    frozen_steps: the learning rate is 0 in steps [0, frozen_steps); moments are gathered meanwhile.
    names: qualified names, in the order of params.
    """

    lr_multiplier: float = 1.0
    weight_decay_multiplier: float = 1.0
    frozen_steps: int = 0
    params: list[nn.Parameter] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
