"""What is measured: for each objective a shape for a CPU and for a GPU, its own step and its plain one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.model.config import Family
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective
from webssl_trainer.objectives.clip.config import clip_crops, text_tower
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.objectives.mae import MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.optim import OptimConfig, Schedules, build_optimizer, clip_gradients

from benchmarks.train.plain_clip import plain_clip
from benchmarks.train.plain_dino import plain_dino
from benchmarks.train.plain_mae import plain_mae
from benchmarks.train.plain_step import PlainStep

LEARNING_RATE, STEPS, SEED = 1e-4, 1000, 0
CAPTION = b"a photograph of a harbour in the evening, with three boats"


@dataclass(frozen=True)
class Shape:
    """What is trained. resolution, local: sides of crops in pixels; batch: samples; prototypes: of each head of DINO."""

    objective: str
    size: str
    batch: int
    resolution: int
    patch: int
    local: int = 0
    prototypes: int = 0
    drop_path: float = 0.0


CPU = {
    "dino": Shape("dino", "S", 8, 112, 14, 56, 4096, 0.3),
    "mae": Shape("mae", "S", 8, 224, 16),
    "clip": Shape("clip", "S", 16, 112, 14),
}
GPU = {
    "dino": Shape("dino", "300M", 64, 224, 14, 98, 131072, 0.3),
    "mae": Shape("mae", "300M", 512, 224, 16),
    "clip": Shape("clip", "300M", 256, 224, 14),
}


@dataclass(frozen=True)
class Side:
    """One of the two that are compared. tensors: the modules and the optimizer that it keeps between steps."""

    step: Callable[[StepContext], float]
    modules: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer


@dataclass(frozen=True)
class Case:
    """The two sides on one batch, and FLOP per sample: whole, and what stochastic depth saves on average."""

    plain: Side
    own: Side
    whole_flops: float
    dropped_flops: float


def case(shape: Shape, plain: Parallel, own: Parallel) -> Case:
    """Build both sides; their networks start equal.

    Args:
        shape: what is trained.
        plain, own: placement and precision of each side.
    """
    config, make, make_plain = _MAKERS[shape.objective](shape)
    family: Family = "mae" if shape.objective == "mae" else "dinov2"
    vit = vit_config(shape.size, patch_size=shape.patch, image_size=shape.resolution, family=family)
    batch = make_batch(shape.batch, config.crops, plain.device)
    first, second = make(vit, config, plain, SEED), make(vit, config, own, SEED)
    plain_step: PlainStep = make_plain(first, LEARNING_RATE)
    return Case(
        Side(lambda ctx: plain_step(batch, ctx), first.modules, plain_step.optimizer),
        own_side(second, batch),
        config.sample_flops(vit, config.crops),
        config.dropped_flops(vit, config.crops),
    )


def own_side(objective: Any, batch: Batch) -> Side:
    """Optimizer steps as the trainer's loop makes them."""
    optim = OptimConfig(learning_rate=LEARNING_RATE, warmup_steps=0)
    optimizer = build_optimizer(objective.param_groups(), optim)
    schedules = Schedules(optim, STEPS)

    def step(ctx: StepContext) -> float:
        schedules.apply(optimizer, ctx.step)
        terms = objective.forward_backward([batch], ctx)
        clip_gradients(objective.trained, 3.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_optimizer_step(ctx)
        return float(terms["loss"])

    return Side(step, objective.modules, optimizer)


def make_batch(count: int, crops: CropSpec, device: torch.device) -> Batch:
    """Random bytes, each image with a colour of its own, on the device."""
    generator = torch.Generator().manual_seed(SEED)

    def pixels(number: int, side: int) -> torch.Tensor:
        size = (number, count, 3, side, side)
        noise = torch.randint(128, size, dtype=torch.uint8, generator=generator)
        return (noise + torch.randint(128, (1, count, 3, 1, 1), dtype=torch.uint8, generator=generator)).to(
            device
        )

    return Batch(
        positions=np.arange(count),
        sample_ids=[str(number) for number in range(count)],
        global_crops=pixels(crops.n_global, crops.global_size),
        local_crops=pixels(crops.n_local, crops.local_size),
        extras=[{"txt": CAPTION + b" and number %d" % number} for number in range(count)],
    )


def _dino(shape: Shape) -> tuple[Any, Any, Any]:
    # The changes of colour are the same work on both sides and would only blur the comparison.
    crops = CropSpec(
        global_size=shape.resolution, local_size=shape.local, photometric_global=(), photometric_local=None
    )
    head = partial(HeadConfig, prototypes=shape.prototypes)
    config = DinoConfig(
        crops=crops,
        dino_head=head(),
        ibot_head=head(bottleneck_dim=256),
        drop_path=shape.drop_path,
        group_size=min(16, shape.batch),
    )
    return config, DinoObjective, plain_dino


def _mae(shape: Shape) -> tuple[Any, Any, Any]:
    return MaeConfig(crops=mae_crops(shape.resolution)), MaeObjective, plain_mae


def _clip(shape: Shape) -> tuple[Any, Any, Any]:
    # Bytes need no package; the captions are about as long in them as real ones are in CLIP's tokens.
    config = ClipConfig(text=text_tower(shape.size), crops=clip_crops(shape.resolution), tokenizer="bytes")
    return config, ClipObjective, plain_clip


_MAKERS: dict[str, Callable[[Shape], tuple[Any, Any, Any]]] = {"dino": _dino, "mae": _mae, "clip": _clip}
