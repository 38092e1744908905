"""`spec.schedule` and `spec.optimizer`: how many samples are seen, at which size, with which rates."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule

Samples = Annotated[int, Field(ge=1, le=10**13)]


class StageSpec(ApiModel):
    """A stretch of the run at one resolution."""

    resolution: Annotated[int, Field(ge=16, le=2048)]
    """Side of the global crops in pixels; a multiple of spec.model.patchSize."""

    samples: Samples
    """Samples seen in this stage; it is rounded up to whole steps."""

    local_resolution: Annotated[int, Field(ge=8, le=1024)] | None = None
    """Side of the local crops in pixels; unset: 98/224 of the resolution, to the nearest multiple of the patch."""

    def local_side(self, patch_size: int) -> int:
        """Side of the local crops in pixels for a patch of `patch_size` pixels (98 at 224 px, patch 14, as in DINOv2)."""
        if self.local_resolution is not None:
            return self.local_resolution
        return max(1, round(self.resolution * 98 / 224 / patch_size)) * patch_size


class ScheduleSpec(ApiModel):
    """How long the run is and how large its batch."""

    stages: Annotated[list[StageSpec], Field(min_length=1, max_length=16)]
    """Stages in the order in which they run; a second stage of higher resolution is the paper's resolution adaptation."""

    global_batch_size: Annotated[int, Field(ge=2, le=1048576)]
    """Samples per optimizer step over all processes; it stays the same at every number of workers."""

    micro_batch_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Most samples that one process computes at a time; the rest of its share is accumulated. Unset: the whole share at once."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.stages.all(s, s.samples >= self.globalBatchSize)",
            message="spec.schedule.stages: a stage has fewer samples than globalBatchSize {global_batch_size}, "
            "so less than one step: raise its samples",
            check=lambda self: all(s.samples >= self.global_batch_size for s in self.stages),
        ),
    )

    def steps_of(self, stage: int) -> int:
        """Optimizer steps of stage number `stage`: ceil(samples / global batch)."""
        return -(-self.stages[stage].samples // self.global_batch_size)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return sum(self.steps_of(i) for i in range(len(self.stages)))

    @property
    def total_samples(self) -> int:
        """Samples seen by the whole run: total steps times the global batch."""
        return self.total_steps * self.global_batch_size


class OptimizerSpec(ApiModel):
    """AdamW (first beta 0.9) and its schedules; the defaults are the paper's Web-DINO recipe."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3.5e-4
    """Peak learning rate at the run's global batch size."""

    min_learning_rate: Annotated[float, Field(ge=0, le=1)] = 1e-6
    """Learning rate at the end of the cosine."""

    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1536
    """Share of the run over which the rate grows linearly (the paper: 100K of 651,042 steps)."""

    weight_decay_start: Annotated[float, Field(ge=0)] = 0.04
    """Weight decay at the start."""

    weight_decay_end: Annotated[float, Field(ge=0)] = 0.2
    """Weight decay at the end; cosine in between."""

    beta2: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of AdamW's mean of squared gradients; unset: as published, 0.999 for dino, 0.95 for mae, 0.98 for clip."""

    epsilon: Annotated[float, Field(gt=0, le=1)] | None = None
    """What AdamW adds to the root of that mean; unset: as published, 1e-8 for dino and mae, 1e-6 for clip."""

    clip_gradient: Annotated[float, Field(ge=0)] = 3.0
    """Largest gradient norm per module; 0 clips nothing."""

    patch_embed_rate_factor: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Factor on the learning rate of the patch embedding."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.minLearningRate <= self.learningRate",
            message="spec.optimizer.minLearningRate {min_learning_rate} is above learningRate {learning_rate}: lower it",
            check=lambda self: self.min_learning_rate <= self.learning_rate,
        ),
    )
