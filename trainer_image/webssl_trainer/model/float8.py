"""A linear layer with float8 products (Micikevicius et al., "FP8 formats for deep learning", 2022).

Activations and weights are rounded to e4m3 (3 bits of mantissa), gradients to e5m2 (2 bits, more range), each tensor
with one scale that maps its largest value to the largest of the format: dynamic tensorwise scaling. Sums are in fp32.
Scales of activations and gradients are those of a micro-batch of one process, so that, other than in bf16, results
depend a little on how a batch is split.

On a CPU the same rounded numbers are multiplied in fp32, which is how the tests run it. The GPU's product,
`torch._scaled_mm`, was not run by this project's tests.

Shape letters: T tokens, K inputs, N outputs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
_SMALLEST = 1e-12
"""Largest value below which a tensor counts as zero."""
_ALIGNED = 16
"""Sizes of a product that the GPU's kernel takes are multiples of it."""


class Scaled(NamedTuple):
    """A tensor in float8: values, and the fp32 scalar to multiply them by."""

    values: Tensor
    scale: Tensor


def rounded(x: Tensor, dtype: torch.dtype) -> Scaled:
    """x in float8 with the scale that uses the format's whole range. A NaN or infinity in x stays not finite."""
    limit = torch.finfo(dtype).max
    scale = (x.detach().abs().amax() if x.numel() else x.new_zeros(())).float().clamp_min(_SMALLEST) / limit
    return Scaled((x.detach().float() / scale).clamp(-limit, limit).to(dtype), scale)


def product(a_MK: Scaled, b_KN: Scaled, dtype: torch.dtype) -> Tensor:
    """a @ b, (M, N) in `dtype`."""
    if not a_MK.values.is_cuda:
        exact = (a_MK.values.float() @ b_KN.values.float()) * (a_MK.scale * b_KN.scale)
        # A conversion that does nothing costs a compiled autograd.Function its gradients before torch 2.12.
        return exact if exact.dtype == dtype else exact.to(dtype)
    (rows, columns) = (a_MK.values.shape[0], b_KN.values.shape[1])
    a, b = aligned(a_MK.values), aligned(b_KN.values.t()).t()  # row by row, and column by column
    padded: Tensor = torch._scaled_mm(a, b, scale_a=a_MK.scale, scale_b=b_KN.scale, out_dtype=dtype)
    return padded[:rows, :columns]


def aligned(x: Tensor) -> Tensor:
    """x, row by row in memory, with zeros at the end of both sides up to the next size that the kernel takes."""
    rows, columns = (-size % _ALIGNED for size in x.shape)
    if rows or columns:
        # Bytes: float8 has no operation to pad with, and zero is zero in both.
        return F.pad(x.contiguous().view(torch.uint8), (0, columns, 0, rows)).view(x.dtype)
    return x.contiguous()


def float8_linear(x_TK: Tensor, weight_NK: Tensor, bias_N: Tensor | None) -> Tensor:
    """x @ weight.T + bias with all three products of forward and backward pass in float8.

    The result has autocast's dtype, or x's where autocast is off; gradients have the dtypes of what they belong to.
    For the backward pass x is kept in float8: a quarter or half of its bytes.
    """
    device = x_TK.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_TK.dtype
    y_TN: Tensor = _Float8Linear.apply(x_TK, weight_NK, dtype)
    return y_TN if bias_N is None else y_TN + bias_N.to(dtype)


class _Float8Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TK: Tensor, weight_NK: Tensor, dtype: torch.dtype) -> Tensor:
        x, weight = rounded(x_TK, FORWARD), rounded(weight_NK, FORWARD)
        # The weight is rounded again in the backward pass: sharded weights are not to be kept.
        ctx.save_for_backward(*x, weight_NK)
        ctx.dtypes = x_TK.dtype, weight_NK.dtype
        return product(x, Scaled(weight.values.t(), weight.scale), dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x_values, x_scale, weight_NK = ctx.saved_tensors
        x_dtype, weight_dtype = ctx.dtypes
        gradient, weight = rounded(gradients[0], BACKWARD), rounded(weight_NK, FORWARD)
        gradient_NT = Scaled(gradient.values.t(), gradient.scale)
        return (
            product(gradient, weight, x_dtype),
            product(gradient_NT, Scaled(x_values, x_scale), weight_dtype),
            None,
        )
