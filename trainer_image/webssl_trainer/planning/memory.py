"""Peak memory of one GPU, from an objective's quantities and how its networks lie on the processes."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import Activations, Networks, Share, matrices, parameters

MOMENTS = 2
"""AdamW keeps two numbers per parameter."""
_BUCKET = STORED * 16 * 2**20
"""Bytes of a bucket of `optim.gradients.sum_gradients`."""


@dataclass(frozen=True)
class Placement:
    """How networks lie on processes. shards: processes over which each parameter is cut, 1 for whole copies.
    replicas: copies of each shard."""

    shards: int
    replicas: int

    @property
    def processes(self) -> int:
        """Processes in all."""
        return self.shards * self.replicas


def placement(processes: int, shard: bool) -> Placement:
    """What `Parallel.place` does: everything sharded over all processes, or nothing."""
    return Placement(processes, 1) if shard else Placement(1, processes)


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of one process.

    trained, frozen, moments, gradients: parameters of the student, of its followers (EMA), optimizer state,
        gradients of this process's parameters.
    earlier: gradients that wait for the next micro-batch; a sharded network holds whole ones, since it reduces
        once per step.
    copies: bf16 copies of matrices under autocast. gathered: whole parameters and gradients of the units at work.
    inputs, held, before, saved, passing, last: see `quantities.Activations`.
    """

    trained: int
    frozen: int
    moments: int
    gradients: int
    earlier: int
    copies: int
    gathered: int
    inputs: int
    held: int
    before: int
    saved: int
    passing: int
    last: int

    @property
    def state(self) -> int:
        """What is there at all times after the first step: parameters and optimizer state."""
        return self.trained + self.frozen + self.moments

    @property
    def phases(self) -> dict[str, int]:
        """Bytes in each part of a step; the largest is the peak.

        targets: forward passes of frozen networks. backward: where a micro-batch turns from its forward to its
        backward pass. end: its last block, when nearly all gradients are there. That is more than there is in the
        update after it, and the most of all where blocks recompute.
        """
        constant = self.state + self.inputs + self.gathered
        return {
            "targets": constant + self.before,
            "backward": constant + self.held + self.earlier + self.saved + self.passing + self.copies,
            "end": constant + self.held + max(self.gradients, self.earlier) + self.last,
        }

    @property
    def peak(self) -> int:
        """Most bytes at a time."""
        return max(self.phases.values())


def memory_plan(
    networks: Networks, activations: Activations, place: Placement, share: Share, precision: Precision
) -> MemoryPlan:
    """Memory of one process of a step."""
    trained, frozen = parameters(networks.trained), parameters(networks.frozen)
    gradients = _part(trained, place)
    whole = STORED * trained if place.shards > 1 else gradients
    return MemoryPlan(
        trained=_part(trained, place),
        frozen=_part(frozen, place),
        moments=MOMENTS * _part(trained, place),
        gradients=gradients,
        earlier=whole if share.micro_batches > 1 else 0,
        copies=precision.compute * matrices(networks.trained) if precision.copies else 0,
        gathered=_gathered(networks, place, precision),
        inputs=activations.inputs,
        held=activations.held,
        before=activations.before,
        saved=activations.saved,
        passing=max(activations.passing, _whole_gradients(networks, place)),
        last=activations.last,
    )


def _part(numbers: int, place: Placement) -> int:
    return STORED * -(-numbers // place.shards)


def _gathered(networks: Networks, place: Placement, precision: Precision) -> int:
    """Buffers of the units at work in a backward pass, at the place where they are largest.

    Sharded (FSDP2): parameters of a unit and of the next one, which is gathered meanwhile, and input and output of
    the reduce-scatter of the one before. Replicated on several processes: one bucket of gradients, at least as large
    as the largest unit.
    """
    sizes = [unit.parameters for unit in networks.trained]
    if place.shards == 1:
        return max(_BUCKET, STORED * max(sizes)) if place.replicas > 1 else 0
    ends = zip([0, *sizes[:-1]], sizes, [*sizes[1:], 0], strict=True)
    return max(
        precision.compute * (next_ + unit) + STORED * before + STORED * before // place.shards
        for next_, unit, before in ends
    )


def _whole_gradients(networks: Networks, place: Placement) -> int:
    """Gradients of the largest unit before they are scattered; its activations are gone by then."""
    return STORED * max(unit.parameters for unit in networks.trained) if place.shards > 1 else 0
