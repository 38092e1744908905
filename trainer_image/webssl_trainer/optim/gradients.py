"""Gradients between the backward pass and the optimizer: reduction over replicas, clipping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

_BUCKET_NUMBERS = 16 * 2**20
_EPSILON = 1e-6
"""Added to a norm before it divides, as `torch.nn.utils.clip_grad_norm_` does."""


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

    Whole lists of tensors go into each kernel, and nothing waits for the device.

    Returns:
        For each child the norm before clipping: fp32 scalar on the device, the same on all processes.
        A sharded module communicates once.
    """
    children = {name: [p.grad for p in child.parameters() if p.grad is not None]
                for name, child in module.named_children()}  # fmt: skip
    shards = {name: [_local(gradient) for gradient in gradients] for name, gradients in children.items()}
    norms = _norms(shards, next((_mesh(g) for gradients in children.values() for g in gradients), None))
    if max_norm is not None:
        for name, gradients in shards.items():
            if gradients:
                torch._foreach_mul_(gradients, (max_norm / (norms[name] + _EPSILON)).clamp(max=1.0))
    return norms


def _norms(shards: Mapping[str, Sequence[Tensor]], mesh: DeviceMesh | None) -> dict[str, Tensor]:
    """L2 norm of each list over all processes of the mesh that its tensors are cut over."""
    device = next((x.device for tensors in shards.values() for x in tensors), None)
    zero = torch.zeros((), device=device)
    norms = torch.stack([get_total_norm(tensors).float() if tensors else zero
                         for tensors in shards.values()]) if shards else zero.expand(0)  # fmt: skip
    if mesh is not None and mesh.size() > 1:
        squares = norms.square()
        dist.all_reduce(squares, group=mesh.get_group())
        norms = squares.sqrt()
    return dict(zip(shards, norms.unbind(), strict=True))


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _mesh(tensor: Tensor) -> DeviceMesh | None:
    return tensor.device_mesh if isinstance(tensor, DTensor) else None


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
