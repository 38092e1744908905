"""Sinkhorn-Knopp centring of the teacher (Caron et al., "SwAV", 2020; DINOv2, Oquab et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

_TINY = torch.finfo(torch.float32).tiny


@torch.no_grad()
def sinkhorn_knopp(
    logits: Sequence[Tensor], temperature: float, iterations: int, group: dist.ProcessGroup | None
) -> list[Tensor]:
    """Assignments of all samples of the global batch to prototypes, balanced over the prototypes.

    With E = exp(logits / temperature) over all samples b and prototypes k, find Q = diag(c) E diag(r): each
    iteration chooses r such that every prototype receives the same mass and then c such that every sample has
    mass 1. The factors alone are iterated, so that E stays as it is and only one vector of K numbers is
    reduced per iteration. The result does not depend on how samples are spread over micro-batches or
    processes, up to the order of sums.

    Args:
        logits: the micro-batches of this process, (B_i, K) each, any float dtype; B_i may be 0.
        temperature: of the teacher.
        iterations: at least 1.
        group: processes that hold the rest of the global batch, None for none.

    Returns:
        fp32 (float64 for float64 logits) (B_i, K) each, rows sum to 1.
    """
    dtype = torch.float64 if logits[0].dtype == torch.float64 else torch.float32
    scaled = [x.to(dtype) / temperature for x in logits]
    # One shift for all samples leaves Q as it is; a shift per sample would change the first iteration.
    top = torch.stack([x.max() if x.numel() else x.new_tensor(-torch.inf) for x in scaled]).max()
    _all_reduce(top, dist.ReduceOp.MAX, group)
    exponentials = [(x - top).exp_() for x in scaled]
    factors_B = [x.new_ones(len(x)) for x in exponentials]
    factor_K = exponentials[0].new_zeros(exponentials[0].shape[1])
    for _ in range(iterations):
        mass_K = torch.zeros_like(factor_K)
        for x, c in zip(exponentials, factors_B, strict=True):
            mass_K += c @ x
        _all_reduce(mass_K, dist.ReduceOp.SUM, group)
        # A common factor cancels in the next line; the mean keeps both vectors from drifting out of range.
        factor_K = mass_K.mean() / mass_K.clamp_min(_TINY)
        factors_B = [1 / (x @ factor_K).clamp_min(_TINY) for x in exponentials]
    return [x * factor_K * c[:, None] for x, c in zip(exponentials, factors_B, strict=True)]


def _all_reduce(x: Tensor, op: dist.ReduceOp.RedOpType, group: dist.ProcessGroup | None) -> None:
    if group is not None and dist.get_world_size(group) > 1:
        dist.all_reduce(x, op=op, group=group)
