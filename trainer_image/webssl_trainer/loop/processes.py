"""Device and process groups: NCCL between GPUs, gloo between CPUs, and a gloo group for saves beside training."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist

from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.model import Compute, Parallel
from webssl_trainer.model.compute import hardware_of, settled

_TIMEOUT = timedelta(minutes=30)
"""Longest wait for a collective. A dead peer is noticed by the agents within seconds; this only bounds a slow storage."""


@dataclass(frozen=True)
class Processes:
    """device of this process; training: group of the step's collectives; peers: group of saves; signals: small CPU collectives."""

    device: torch.device
    training: dist.ProcessGroup | None
    signals: Peers
    peers: Peers

    def parallel(self, shard: bool, compute: Compute) -> Parallel:
        """Placement for networks: bf16 on GPUs, fp32 on CPUs. Raises UserError when the device cannot compute so."""
        compute = settled(compute, hardware_of(self.device))
        return Parallel(self.device, self.training, shard, bf16=self.device.type == "cuda", compute=compute)


def join_processes(rank: int, world: int, local_rank: int) -> Processes:
    """Join the round. Address and port of the store come from the agent's MASTER_ADDR and MASTER_PORT."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    if world == 1 and "MASTER_ADDR" not in os.environ:
        return Processes(device, None, Peers(), Peers())
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=world, timeout=_TIMEOUT)
    signals, saves = (Peers(rank, world, _gloo_group()) for _ in range(2))
    return Processes(device, dist.group.WORLD, signals, saves)


def _gloo_group() -> dist.ProcessGroup:
    return cast(dist.ProcessGroup, dist.new_group(backend="gloo", timeout=_TIMEOUT))
