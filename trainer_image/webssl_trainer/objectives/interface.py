"""The one interface between the training loop and an objective.

The loop, per optimizer step::

    schedules.apply(optimizer, step)
    terms = objective.forward_backward(micro_batches, ctx)  # gradients are ready
    norms = clip_gradients(objective.trained, max_norm)
    optimizer.step(); optimizer.zero_grad(set_to_none=True)
    objective.after_optimizer_step(ctx)

The loop knows nothing of crops, heads or teachers; an objective knows nothing of data loading, optimizers or
checkpoints. A new objective is a new folder beside `dino/`, a file in `configs/` that reads its
settings from the manifest, and one line in the loop's factory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.optim.param_groups import ParamGroup


@dataclass(frozen=True)
class StepContext:
    """What a step may depend on. Together with the micro-batches it determines the step.

    step: 0-based optimizer step over the whole run; total_steps: length of the run's schedules.
    seed: seed of the run; every random draw is a function of (seed, position, purpose).
    global_batch_size: samples per step over all processes and micro-batches; losses are means over it.
    group: process group of the world, None for a single process without torch.distributed.
    """

    step: int
    total_steps: int
    seed: int
    global_batch_size: int
    device: torch.device
    group: dist.ProcessGroup | None = None


@dataclass(frozen=True)
class Needs:
    """What an objective needs beside the pixels; the default is nothing.

    members: extensions of further members of each sample ("txt"), and for each the manifest's field that names
        it; `Batch.extras` holds their bytes, and a sample that lacks one counts as broken.
    files: URLs of files to read once; the objective is built with their bytes.
    """

    members: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


class ObjectiveConfig(Protocol):
    """Settings of an objective, a frozen dataclass; its type tells the loop's factory what to build."""

    @property
    def crops(self) -> CropSpec:
        """What the loader must cut from each image in the first stage; later stages replace the sizes."""
        ...

    def sample_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """FLOP of a training step per sample when no branch is dropped, 2 per multiply-add, with the crops of one stage."""
        ...

    def dropped_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """How many of them stochastic depth saves: exactly what is to be expected over its draws."""
        ...

    @property
    def needs(self) -> Needs:
        """What the loader and the storage must bring beside the crops."""
        ...


class Objective(Protocol):
    """A training objective with its networks."""

    @property
    def trained(self) -> nn.Module:
        """The root module of all parameters that the optimizer sees; gradients are clipped per child."""
        ...

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """All modules to checkpoint by name, `trained` included; all else is a function of the step."""
        ...

    @property
    def encoder(self) -> str:
        """Dotted name, under `modules`, of the `VisionTransformer` to evaluate, e.g. `teacher.backbone`."""
        ...

    def crop_spec(self) -> CropSpec:
        """What the loader must cut from each image."""
        ...

    def param_groups(self) -> list[ParamGroup]:
        """Groups for the optimizer, with multipliers for `Schedules.apply`."""
        ...

    def forward_backward(self, micro_batches: Sequence[Batch], ctx: StepContext) -> dict[str, Tensor]:
        """Run every micro-batch of this process's share of the step; leave the reduced gradient in `.grad`.

        The gradient and the losses equal those of one process that holds the whole global batch, whatever
        the number of processes and micro-batches (up to the order of floating point sums). All processes
        must call with the same number of micro-batches. Micro-batches hold whole groups.

        Args:
            micro_batches: this process's consecutive positions; uint8 crops on any device.
            ctx: the step.

        Returns:
            fp32 scalars on the device, without gradient, equal on all processes: each loss term under its
            name, and `loss`, their weighted sum. Nothing here waits for the device.
        """
        ...

    def after_optimizer_step(self, ctx: StepContext) -> None:
        """Update what follows the trained parameters (EMA teachers)."""
        ...
