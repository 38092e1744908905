"""Stochastic depth (Huang et al., "Deep networks with stochastic depth", 2016), drawn per image."""

from __future__ import annotations

import torch
from torch import Tensor

from webssl_trainer.random import Purpose, uniform_torch


def branch_scales(
    positions: Tensor, crops: Tensor, *, seed: int, depth: int, drop_rate: float
) -> Tensor | None:
    """Factors for the residual branches of each image: 0 with probability drop_rate, else 1 / (1 - drop_rate).

    The draw is a function of (seed, position, crop, layer, branch) only, so it is the same at every world
    size and micro-batch size. The rate is uniform over the depth, as in the DINOv2 recipe.

    Args:
        positions: global positions of the samples, int64 (S,).
        crops: number of the crop of its sample for each image, int64 (S,); global crops first.
        seed: seed of the run.
        depth: number of blocks.
        drop_rate: probability in [0, 1).

    Returns:
        fp32 (depth, 2, S) on the device of positions, or None when the rate is 0.
    """
    if drop_rate == 0:
        return None
    device = positions.device
    layers = torch.arange(depth, device=device)[:, None, None]
    branches = torch.arange(2, device=device)[None, :, None]
    draws = uniform_torch(seed, positions, Purpose.DROP_PATH, crops, layers, branches)
    return (draws >= drop_rate).to(torch.float32) / (1 - drop_rate)
