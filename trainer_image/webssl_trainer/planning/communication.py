"""What one GPU exchanges in a step, by formula.

Volumes are those of ring collectives over n processes: an all-gather or a reduce-scatter of B bytes sends B (n - 1) / n
from each process, an all-reduce twice as much. Times are at the links' full rate, so real ones are longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webssl_trainer.planning.gpus import Gpu
from webssl_trainer.planning.memory import Placement
from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import Collective, Networks, Share, parameters


@dataclass(frozen=True)
class Traffic:
    """Bytes that one GPU sends in a step.

    gathers: whole parameters, for each micro-batch twice for the trained network (forward, backward) and once for
    frozen ones. scatters: gradients to their owners, once. replicas: sum of gradients over replicas of each shard.
    objective: collectives of the objective's own.
    """

    gathers: float
    scatters: float
    replicas: float
    objective: float

    @property
    def total(self) -> float:
        """All bytes."""
        return self.gathers + self.scatters + self.replicas + self.objective


@dataclass(frozen=True)
class Links:
    """Bytes per second of a GPU's collectives: among the processes of a shard group, of all replicas, of all."""

    shards: float
    replicas: float
    world: float


def traffic(
    networks: Networks,
    place: Placement,
    share: Share,
    precision: Precision,
    collectives: Sequence[Collective],
) -> Traffic:
    """Bytes of one GPU in a step."""
    trained, frozen = parameters(networks.trained), parameters(networks.frozen)
    cut = _ring(place.shards)
    own = STORED * trained / place.shards
    return Traffic(
        gathers=cut * precision.compute * share.micro_batches * (2 * trained + frozen),
        scatters=cut * STORED * trained,
        replicas=2 * _ring(place.replicas) * own,
        objective=sum(_sent(collective, place.processes) for collective in collectives),
    )


def links(gpu: Gpu, place: Placement, gpus_per_machine: int) -> Links:
    """Rates of the groups of a placement, shard groups on adjacent GPUs.

    A ring over whole machines crosses between two machines on all their network adapters at once, so each GPU sees
    the smaller of its own link and all adapters of a machine. Replicas of one shard meet on one adapter each.
    """
    whole = min(gpu.link, gpus_per_machine * gpu.network)
    inside = place.shards <= gpus_per_machine
    return Links(
        shards=gpu.link if inside else whole,
        replicas=gpu.network if place.replicas > 1 and place.shards > 1 else whole,
        world=gpu.link if place.processes <= gpus_per_machine else whole,
    )


def seconds(amount: Traffic, rates: Links) -> float:
    """Time of all collectives of a step, one after the other."""
    parts = (amount.gathers + amount.scatters) / rates.shards + amount.replicas / rates.replicas
    return parts + amount.objective / rates.world


def _ring(processes: int) -> float:
    return (processes - 1) / processes


def _sent(collective: Collective, processes: int) -> float:
    factor = 2 if collective.kind == "all-reduce" else 1
    return factor * _ring(processes) * collective.bytes * collective.times
