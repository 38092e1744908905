"""Gradients between the backward pass and the optimizer: reduction over replicas, clipping."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

_BUCKET_NUMBERS = 16 * 2**20


@torch.no_grad()
def sum_gradients(module: nn.Module, group: dist.ProcessGroup | None) -> None:
    """Sum the gradients of a replicated module over the processes of group, in buckets of 64 MiB.

    Sharded modules reduce in their backward pass and are left alone, as is a single process. Parameters
    without a gradient on this process count as zero, since another process may have one.
    """
    if group is None or dist.get_world_size(group) == 1 or isinstance(module, FSDPModule):
        return
    gradients = []
    for parameter in module.parameters():
        if parameter.requires_grad:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        dist.all_reduce(flat, group=group)
        pieces = torch.split(flat, [gradient.numel() for gradient in bucket])
        torch._foreach_copy_(bucket, [p.view_as(g) for p, g in zip(pieces, bucket, strict=True)])


@torch.no_grad()
def clip_gradients(module: nn.Module, max_norm: float | None) -> dict[str, Tensor]:
    """Clip the gradients of each child of a module to an L2 norm of max_norm; None only measures.

    Returns:
        For each child the norm before clipping: fp32 scalar on the device, the same on all processes.
        A sharded module communicates once per child.
    """
    norms = {}
    for name, child in module.named_children():
        gradients = [p.grad for p in child.parameters() if p.grad is not None]
        norm = get_total_norm(gradients)
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        if max_norm is not None:
            clip_grads_with_norm_([p for p in child.parameters() if p.grad is not None], max_norm, norm)
        norms[name] = norm
    return norms


def _buckets(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    buckets: list[list[Tensor]] = [[]]
    room = _BUCKET_NUMBERS
    for tensor in tensors:
        if buckets[-1] and tensor.numel() > room:
            buckets.append([])
            room = _BUCKET_NUMBERS
        buckets[-1].append(tensor)
        room -= tensor.numel()
    return [bucket for bucket in buckets if bucket]
