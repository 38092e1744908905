"""Position embeddings of grids of patches: fixed ones, and any stored one at another size.

Source of the fixed ones: Vaswani et al., "Attention is all you need" (2017), for two axes as in MAE (He et al.,
2022), which takes sines before cosines and the column before the row.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sincos_embedding(grid: int, width: int) -> Tensor:
    """Embedding of the CLS token (zeros) and of a square grid of patches, row by row.

    A coordinate x becomes sin(x w_i), then cos(x w_i), with w_i = 10000**(-4 i / width), i < width / 4; the first
    half of the channels holds the column, the second the row.

    Args:
        grid: patches per side.
        width: channels, a multiple of 4.

    Returns:
        fp32 on the CPU, (1, 1 + grid**2, width).
    """
    quarter = width // 4
    with torch.device("cpu"):  # also where a network is made on the meta device
        rates_Q = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
        angles_GQ = torch.arange(grid, dtype=torch.float64)[:, None] * rates_Q
        axis_GE = torch.cat([angles_GQ.sin(), angles_GQ.cos()], dim=1).float()
        columns_LE, rows_LE = axis_GE.repeat(grid, 1), axis_GE.repeat_interleave(grid, dim=0)
        patches_LD = torch.cat([columns_LE, rows_LE], dim=1)
        return torch.cat([torch.zeros(1, width), patches_LD]).unsqueeze(0)


def embedding_for(stored_1LD: Tensor, rows: int, columns: int) -> Tensor:
    """The stored embedding of the CLS token and a square grid, for another grid: (1, 1 + rows * columns, D).

    Grids other than the stored one are interpolated bicubically, in fp32.
    """
    size = round((stored_1LD.shape[1] - 1) ** 0.5)
    if (rows, columns) == (size, size):
        return stored_1LD
    grid_1DHW = torch.unflatten(stored_1LD[:, 1:], 1, (size, size)).permute(0, 3, 1, 2)
    resized_1DHW = F.interpolate(grid_1DHW.float(), size=(rows, columns), mode="bicubic")
    patches_1LD = resized_1DHW.flatten(2).transpose(1, 2).to(stored_1LD.dtype)
    return torch.cat([stored_1LD[:, :1], patches_1LD], dim=1)
