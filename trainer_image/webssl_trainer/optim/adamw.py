"""The optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.distributed.tensor import DTensor

from webssl_trainer.optim.param_groups import ParamGroup
from webssl_trainer.optim.schedules import OptimConfig


def build_optimizer(groups: Sequence[ParamGroup], config: OptimConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) over groups; `Schedules.apply` sets the rates before each step.

    Groups keep their treatment as plain numbers under the keys `lr_multiplier`, `weight_decay_multiplier` and
    `frozen_steps`. Fused kernels are used for plain tensors and on GPUs.
    """
    sharded_on_cpu = any(isinstance(p, DTensor) and p.device.type == "cpu" for g in groups for p in g.params)
    return torch.optim.AdamW(
        [
            {
                "params": group.params,
                "lr_multiplier": group.treatment.lr_multiplier,
                "weight_decay_multiplier": group.treatment.weight_decay_multiplier,
                "frozen_steps": group.treatment.frozen_steps,
            }
            for group in groups
        ],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=not sharded_on_cpu,
    )
