"""How networks lie on processes: whole on each one (replicated) or cut into shards (FSDP2).

The same code serves CPUs with gloo and GPUs with NCCL. Gradients are summed, not averaged: objectives divide
their losses by the global batch size, so the sum over processes and micro-batches is the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from webssl_trainer.model.block import Block
from webssl_trainer.model.compute import Compute
from webssl_trainer.model.config import VitConfig
from webssl_trainer.model.init import initialise

_REPLICATE_UP_TO = 500_000_000


@dataclass(frozen=True)
class Parallel:
    """Where and how networks are placed.

    device: device of this process. group: the world, None without torch.distributed.
    shard: cut parameters, gradients and optimizer state over the processes of group (needs a group).
    bf16: matrix products in bfloat16; parameters, gradient reduction and losses stay in fp32.
    compute: how the blocks of vision transformers compute.
    """

    device: torch.device
    group: dist.ProcessGroup | None = None
    shard: bool = False
    bf16: bool = False
    compute: Compute = field(default_factory=Compute)

    def place(self, network: nn.Module, units: Sequence[nn.Module], seed: int) -> None:
        """Give a network on the meta device its memory and its initial values, in place.

        Args:
            network: the root; its parameters outside of units form one more unit.
            units: submodules gathered and freed as a whole, in the order of the forward pass.
            seed: seed of the initial values; equal seeds give equal values at every world size.
        """
        for module in network.modules():
            if isinstance(module, Block):
                module.use(self.compute)
        if self.shard:
            if self.group is None:
                raise ValueError("sharding needs a process group; initialise torch.distributed first")
            mesh = DeviceMesh.from_group(self.group, self.device.type)
            half = torch.bfloat16 if self.bf16 else None
            policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32)
            for module in (*units, network):
                # The root is freed after its forward too: a teacher has no backward pass that would do it,
                # and its shards must be the registered parameters when the EMA runs.
                sharded = fully_shard(module, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
                sharded.set_gradient_divide_factor(1.0)
                sharded.set_force_sum_reduction_for_comms(True)  # gloo has no other reduction
            _prefetch(network, units)
        network.to_empty(device=self.device)
        initialise(network, seed)

    def precision(self) -> AbstractContextManager[object]:
        """Context for forward passes; sharded networks carry their precision themselves."""
        if self.bf16 and not self.shard:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()


def _prefetch(network: nn.Module, units: Sequence[nn.Module]) -> None:
    """Gather a unit's parameters while the unit before it computes, in both directions.

    Left alone, FSDP2 asks for them when the unit before is done on the host, which is too late where the host is
    hardly ahead of the device. Memory is what it was: two units are whole at a time.
    """
    order = [unit for unit in (network, *units) if isinstance(unit, FSDPModule)]
    for unit, following in pairwise(order):
        unit.set_modules_to_forward_prefetch([following])
    for before, unit in pairwise(order[1:]):
        unit.set_modules_to_backward_prefetch([before])


def set_last_micro_batch(network: nn.Module, last: bool) -> None:
    """Let a sharded network reduce its gradients in the coming backward pass only if it is the step's last."""
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(last)


def should_shard(config: VitConfig, world_size: int) -> bool:
    """Whether a model is large enough for sharding to pay: above about 0.5 billion parameters."""
    return world_size > 1 and config.depth * config.block_weights > _REPLICATE_UP_TO
