"""Which patches of an image are hidden: a uniformly random subset of fixed size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from webssl_trainer.random import Purpose, bits_torch


class Masks(NamedTuple):
    """Patches of each image, counted row by row, rising: int64 visible (N, V) and hidden (N, M)."""

    visible: Tensor
    hidden: Tensor


def draw_masks(positions_N: Tensor, *, patches: int, visible: int, seed: int) -> Masks:
    """The patches with the smallest random words stay visible.

    Each mask is a function of (seed, position) alone, so it is the same at every world size, in every
    micro-batch and on every device.

    Args:
        positions_N: global positions of the samples, int64 (N,).
        patches: patches of an image.
        visible: how many of them are visible.
        seed: seed of the run.

    Returns:
        masks on the device of positions.
    """
    patch_L = torch.arange(patches, device=positions_N.device)
    words_NL = bits_torch(seed, positions_N.unsqueeze(1), Purpose.RANDOM_MASK, patch_L)
    order_NL = words_NL.argsort(dim=1, stable=True)
    return Masks(order_NL[:, :visible].sort(dim=1).values, order_NL[:, visible:].sort(dim=1).values)
