"""Gaussian blur with a kernel for each image, separable, edges repeated.

Two ways, equal up to rounding: shifted sums, which stay in a CPU's cache and are several times faster there than a
grouped convolution of a single image; and the convolution, two kernels on a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(x_K3HW: Tensor, kernel_KR: Tensor) -> Tensor:
    """Rows, then columns. kernel_KR: (K, 1 + R), middle and one side of each image's kernel."""
    one_way = _shifted if x_K3HW.device.type == "cpu" else _convolved
    return one_way(one_way(x_K3HW, kernel_KR, 3), kernel_KR, 2)


def _shifted(x_K3HW: Tensor, kernel_KR: Tensor, dim: int) -> Tensor:
    """Sum of the image moved along `dim` by -R to R."""
    padded, reach, length = _padded(x_K3HW, kernel_KR, dim), kernel_KR.shape[1] - 1, x_K3HW.shape[dim]
    middle, *side = (w.view(-1, 1, 1, 1) for w in kernel_KR.unbind(1))
    out = x_K3HW * middle
    for offset, weight in enumerate(side, start=1):
        both = padded.narrow(dim, reach - offset, length) + padded.narrow(dim, reach + offset, length)
        out.addcmul_(both, weight)
    return out


def _convolved(x_K3HW: Tensor, kernel_KR: Tensor, dim: int) -> Tensor:
    """One convolution in which each channel of each image is a group."""
    padded = _padded(x_K3HW, kernel_KR, dim)
    whole = torch.cat([kernel_KR[:, 1:].flip(1), kernel_KR], dim=1).repeat_interleave(x_K3HW.shape[1], 0)
    shaped = whole[:, None, None, :] if dim == 3 else whole[:, None, :, None]
    return F.conv2d(padded.flatten(0, 1)[None], shaped, groups=len(whole)).view_as(x_K3HW)


def _padded(x_K3HW: Tensor, kernel_KR: Tensor, dim: int) -> Tensor:
    reach = kernel_KR.shape[1] - 1
    return F.pad(x_K3HW, (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach), mode="replicate")
