"""What is planned: a run without its data, storage and identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webssl_trainer.config import TrainerConfig
from webssl_trainer.data import BatchPlan, CropSpec
from webssl_trainer.data.plan import micro_batch_size, per_process, world_allowed
from webssl_trainer.model import VitConfig, should_shard
from webssl_trainer.model.compute import Recompute
from webssl_trainer.objectives.interface import ObjectiveConfig
from webssl_trainer.planning.memory import MemoryPlan, Placement, memory_plan, placement
from webssl_trainer.planning.precision import precision_of
from webssl_trainer.planning.quantities import Networks, ObjectivePlan, SampleFlops, Share
from webssl_trainer.planning.registry import plan_of

MAX_WORKERS = 1024
"""Largest number of workers of the API."""


@dataclass(frozen=True)
class StageJob:
    """Samples seen at one resolution."""

    crops: CropSpec
    samples: int


@dataclass(frozen=True)
class Job:
    """A run as the planner sees it. workers: the smallest and the largest number of workers. recompute: see `Compute`."""

    vit: VitConfig
    objective: ObjectiveConfig
    stages: tuple[StageJob, ...]
    batch: BatchPlan
    workers: tuple[int, int]
    processes_per_worker: int
    recompute: Recompute = "none"

    @property
    def plan(self) -> ObjectivePlan[ObjectiveConfig]:
        """The planner's module for the objective. Raises UserError when there is none."""
        return plan_of(self.objective)

    @property
    def networks(self) -> Networks:
        """Units of all networks."""
        return self.plan.networks(self.vit, self.objective)

    @property
    def samples(self) -> int:
        """Samples of the whole run."""
        return sum(stage.samples for stage in self.stages)

    @property
    def counts(self) -> list[int]:
        """Allowed worker counts, rising: every process gets the same whole number of groups."""
        return self.counts_between(*self.workers)

    def counts_between(self, least: int, most: int) -> list[int]:
        """Allowed worker counts from least to most, rising."""
        return [n for n in range(least, most + 1) if world_allowed(self.processes(n), self.batch)]

    def processes(self, workers: int) -> int:
        """Processes of so many workers; one GPU each."""
        return workers * self.processes_per_worker

    def share(self, workers: int) -> Share:
        """Samples of each process. Raises UserError when the count is not allowed."""
        world = self.processes(workers)
        return Share(per_process(world, self.batch), micro_batch_size(world, self.batch), world)

    def micro_batches(self, counts: Sequence[int]) -> list[int]:
        """Every micro-batch that divides the share of some worker count in whole groups, falling."""
        group = self.batch.group_size
        groups = {self.share(workers).step // group for workers in counts}
        sizes = {n * group for many in groups for n in range(1, many + 1) if many % n == 0}
        return sorted(sizes, reverse=True)

    def placement(self, workers: int) -> Placement:
        """How the trainer places networks on so many workers."""
        world = self.processes(workers)
        return placement(world, should_shard(self.vit, world))

    def memory(self, workers: int, stage: int, place: Placement | None = None) -> MemoryPlan:
        """Memory of one GPU in a stage; `place` asks for another placement than the trainer's own."""
        place = place or self.placement(workers)
        share, precision = self.share(workers), precision_of(place.shards > 1, self.recompute)
        activations = self.plan.activations(
            self.vit, self.objective, self.stages[stage].crops, share, precision
        )
        return memory_plan(self.networks, activations, place, share, precision)

    def peak(self, workers: int) -> int:
        """Most bytes of one GPU over all stages."""
        return max(self.memory(workers, stage).peak for stage in range(len(self.stages)))

    def flops(self, stage: int) -> SampleFlops:
        """All arithmetic per sample, heads included."""
        return self.plan.sample_flops(self.vit, self.objective, self.stages[stage].crops)

    def nominal_flops(self) -> float:
        """FLOP of the whole run as the trainer's MFU counts them: `ObjectiveConfig.sample_flops`, without heads."""
        return sum(s.samples * self.objective.sample_flops(self.vit, s.crops) for s in self.stages)


def job_of(config: TrainerConfig, workers: tuple[int, int], processes_per_worker: int) -> Job:
    """The job of a run. Raises UserError for an objective that the planner does not know."""
    plan_of(config.objective)
    stages = tuple(
        StageJob(config.crops_of(number), (stage.end - stage.first) * config.plan.global_batch)
        for number, stage in enumerate(config.stages)
    )
    return Job(
        config.vit,
        config.objective,
        stages,
        config.plan,
        workers,
        processes_per_worker,
        config.compute.recompute,
    )
