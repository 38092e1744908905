"""The loss of the masked autoencoder. Shape letters: N images, L patches, M hidden ones, P values of a patch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-6


def patch_pixels(images_NCHW: Tensor, patch_size: int) -> Tensor:
    """(N, 3, H, W) -> (N, L, P): patches row by row, the values of each by row, column, channel."""
    p = patch_size
    rows = torch.unflatten(images_NCHW, 2, (-1, p))
    grid_NCRpSp = torch.unflatten(rows, 4, (-1, p))
    return grid_NCRpSp.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def normalised(patches_NMP: Tensor) -> Tensor:
    """Each patch with mean 0 and variance 1 over its values (He et al., 2022, section 3)."""
    variance, mean = torch.var_mean(patches_NMP, dim=-1, keepdim=True)
    return (patches_NMP - mean) / (variance + _EPS).sqrt()


def reconstruction_loss(predicted_NMP: Tensor, target_NMP: Tensor) -> Tensor:
    """Mean squared difference over the hidden patches of each image: (N, M, P) twice -> (N,)."""
    return F.mse_loss(predicted_NMP, target_NMP, reduction="none").mean(dim=(1, 2))
