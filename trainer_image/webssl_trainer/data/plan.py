"""Which positions a process takes in a step: pure functions of (step, rank, world size), see docs/design/0001."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_trainer.errors import UserError


@dataclass(frozen=True)
class BatchPlan:
    """How one optimizer step is cut: the global batch, the group that is never split, the micro-batch limit.

    Attributes:
        global_batch: samples of one optimizer step over all processes (G).
        group_size: consecutive positions that stay in one process and one micro-batch (KoLeo works within them).
        micro_batch: most samples of one forward/backward pass; 0 means no limit (no accumulation).
    """

    global_batch: int
    group_size: int = 1
    micro_batch: int = 0

    def __post_init__(self) -> None:
        if self.global_batch < 1 or self.group_size < 1 or self.micro_batch < 0:
            raise UserError(
                f"globalBatchSize={self.global_batch}, group size {self.group_size} and micro-batch "
                f"{self.micro_batch} must be positive (0 is allowed for the micro-batch: no limit)"
            )
        if self.global_batch % self.group_size:
            raise UserError(
                f"globalBatchSize={self.global_batch} is not a whole number of groups of {self.group_size}; "
                f"use a multiple of {self.group_size}"
            )
        if 0 < self.micro_batch < self.group_size:
            raise UserError(
                f"the micro-batch limit {self.micro_batch} is below the group size {self.group_size}; "
                f"raise it to {self.group_size} or lower the group size"
            )


def world_allowed(world: int, plan: BatchPlan) -> bool:
    """Whether `world` processes can share the global batch in whole groups."""
    return world >= 1 and plan.global_batch % (world * plan.group_size) == 0


def allowed_worlds(plan: BatchPlan, largest: int) -> list[int]:
    """All allowed world sizes from 1 to `largest`, rising."""
    return [world for world in range(1, largest + 1) if world_allowed(world, plan)]


def per_process(world: int, plan: BatchPlan) -> int:
    """Samples of one process in one step.

    Raises:
        UserError: the world size does not divide the global batch into whole groups.
    """
    if not world_allowed(world, plan):
        raise UserError(
            f"{world} processes can not share globalBatchSize={plan.global_batch} in whole groups of "
            f"{plan.group_size}; allowed process counts up to {max(world, 1)}: "
            f"{allowed_worlds(plan, max(world, 1))}"
        )
    return plan.global_batch // world


def step_start(step: int, plan: BatchPlan) -> int:
    """First position of optimizer step `step` (0-based)."""
    return step * plan.global_batch


def rank_positions(first: int, rank: int, world: int, plan: BatchPlan) -> range:
    """Positions of `rank` in the step whose first position is `first`: `[first + r*G/W, first + (r+1)*G/W)`.

    Raises:
        UserError: the world size is not allowed.
        ValueError: the rank is not in `[0, world)`.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} is outside [0, {world})")
    share = per_process(world, plan)
    return range(first + rank * share, first + (rank + 1) * share)


def micro_batch_size(world: int, plan: BatchPlan) -> int:
    """Largest size that divides a process's share, keeps groups whole and respects the limit.

    All micro-batches of a step have this one size, so the mean over micro-batches is the mean over samples.
    """
    share = per_process(world, plan)
    limit = plan.micro_batch or share
    groups = share // plan.group_size
    most = max(1, min(groups, limit // plan.group_size))
    divisor = next(count for count in range(most, 0, -1) if groups % count == 0)
    return divisor * plan.group_size


def micro_batches(positions: range, size: int) -> list[range]:
    """Cuts a process's positions into micro-batches of `size`, in order."""
    return [positions[at : at + size] for at in range(0, len(positions), size)]
