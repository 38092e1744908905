"""Stochastic depth (Huang et al., "Deep networks with stochastic depth", 2016), drawn per image.

A dropped branch is not computed: the images that keep it are gathered, run, and added back. The draws are made on
the CPU, so that the shapes are known without waiting for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from webssl_trainer.random import Purpose, uniform_torch

ATTENTION, MLP = 0, 1
"""The two residual branches of a block."""


@dataclass(frozen=True)
class KeptBranches:
    """Which images run which residual branch.

    scale: factor of a branch that is kept, 1 / (1 - drop rate).
    images: for each block and branch, for each batch of images the numbers of those that keep it, rising: int64 on
        the device, one tensor for all of them cut into views.
    """

    scale: float
    images: tuple[tuple[tuple[Tensor, ...], tuple[Tensor, ...]], ...]


def kept_branches(
    positions: Tensor,
    crops: Tensor,
    counts: Sequence[int],
    *,
    seed: int,
    depth: int,
    drop_rate: float,
    device: torch.device,
) -> KeptBranches | None:
    """Draw for each image which branches it keeps.

    A draw is a function of (seed, position, crop, layer, branch) only, so it is the same at every world size and
    micro-batch size. The rate is uniform over the depth, as in the DINOv2 recipe.

    Args:
        positions: global positions of the samples, int64 (S,), on the CPU.
        crops: number of the crop of its sample for each image, int64 (S,), on the CPU; global crops first.
        counts: images of each batch that the network is given; their sum is S.
        seed: seed of the run.
        depth: number of blocks.
        drop_rate: probability in [0, 1).
        device: where the network runs.

    Returns:
        None when the rate is 0.
    """
    if drop_rate == 0:
        return None
    layers = torch.arange(depth)[:, None, None]
    branches = torch.arange(2)[None, :, None]
    keep = uniform_torch(seed, positions, Purpose.DROP_PATH, crops, layers, branches) >= drop_rate
    pieces = [piece.nonzero().squeeze(1) for row in keep.flatten(0, 1) for piece in row.split(list(counts))]
    flat = torch.cat(pieces).to(device, non_blocking=True)
    views = iter(torch.split(flat, [len(piece) for piece in pieces]))
    images = [tuple(next(views) for _ in counts) for _ in range(2 * depth)]
    return KeptBranches(1 / (1 - drop_rate), tuple(zip(images[::2], images[1::2], strict=True)))


def add_rows(x_BLD: Tensor, rows_K: Tensor, y_KLD: Tensor, scale: float) -> Tensor:
    """x with scale * y added to some of its rows. `Tensor.index_add` would keep y for a backward pass that needs no y."""
    added: Tensor = _AddRows.apply(x_BLD, rows_K, y_KLD, scale)
    return added


class _AddRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BLD: Tensor, rows_K: Tensor, y_KLD: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(rows_K)
        ctx.scale = scale
        return x_BLD.index_add(0, rows_K, y_KLD, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (gradient_BLD,), (rows_K,) = gradients, ctx.saved_tensors
        return gradient_BLD, None, gradient_BLD.index_select(0, rows_K) * ctx.scale, None
