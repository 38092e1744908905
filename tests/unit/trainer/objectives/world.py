"""One process of a small training, for the tests of world sizes; it leaves the losses of each step in `<out>/rank<r>.json`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective, TextConfig
from webssl_trainer.objectives.clip.config import clip_crops
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.optim import OptimConfig, Schedules, build_optimizer, clip_gradients

GLOBAL_BATCH = 16
TOTAL_STEPS = 50
SEED = 5


@dataclass(frozen=True)
class Job:
    """rank of world processes; strategy replicate or shard; steps [first, last); accumulate micro-batches per
    process and step; load is a checkpoint folder, save one to write before step save_at; out gets losses.
    objective is a key of OBJECTIVES."""

    rank: int
    world: int
    strategy: str
    accumulate: int
    first: int
    last: int
    out: str
    rendezvous: str
    load: str | None = None
    save: str | None = None
    save_at: int = 0
    objective: str = "dino"


def image(position: int, crop: int, size: int) -> torch.Tensor:
    """Smooth random picture of a position: a few waves, so that crops of one sample resemble each other."""
    rng = np.random.default_rng([SEED, position])
    waves = rng.normal(size=(3, 4, 3))
    x = np.linspace(0, 3, size) + 0.2 * crop
    rows, columns = np.meshgrid(x, x, indexing="ij")
    channels = [sum(a * np.sin(b * rows + c * columns) for a, b, c in waves[channel]) for channel in range(3)]
    return torch.tensor(128 + 40 * np.stack(channels)).clamp(0, 255).to(torch.uint8)


def micro_batch(first: int, count: int, crops: CropSpec) -> Batch:
    positions = range(first, first + count)
    return Batch(
        positions=np.arange(first, first + count),
        sample_ids=[str(p) for p in positions],
        global_crops=torch.stack(
            [torch.stack([image(p, c, crops.global_size) for p in positions]) for c in range(crops.n_global)]
        ),
        local_crops=torch.stack(
            [
                torch.stack([image(p, crops.n_global + c, crops.local_size) for p in positions])
                for c in range(crops.n_local)
            ]
        )
        if crops.n_local
        else torch.empty(0, count, 3, 0, 0, dtype=torch.uint8),
        extras=[{"txt": f"{'long ' * (p % 3)}waves, number {p}".encode()} for p in positions],
    )


def dino(parallel: Parallel) -> Objective:
    crops = CropSpec(global_size=32, local_size=16, n_local=2)
    config = DinoConfig(
        crops=crops,
        dino_head=HeadConfig(48, 24, 64),
        ibot_head=HeadConfig(48, 24, 64),
        group_size=4,
        drop_path=0.3,
        freeze_last_layer_steps=3,
    )
    return DinoObjective(vit_config("tiny", patch_size=8, image_size=32), config, parallel, SEED)


def mae(parallel: Parallel) -> Objective:
    config = MaeConfig(crops=mae_crops(32), decoder=DecoderConfig(48, 2, 3), drop_path=0.1)
    vit = vit_config("tiny", patch_size=8, image_size=32, family="mae")
    return MaeObjective(vit, config, parallel, SEED)


def clip(loss: Literal["infonce", "siglip"], parallel: Parallel) -> Objective:
    text = TextConfig(width=48, depth=2, heads=3, context=24)
    config = ClipConfig(text=text, crops=clip_crops(32), tokenizer="bytes", loss=loss, drop_path=0.2)
    return ClipObjective(vit_config("tiny", patch_size=8, image_size=32), config, parallel, SEED)


OBJECTIVES = {"dino": dino, "mae": mae, "clip": partial(clip, "infonce"), "siglip": partial(clip, "siglip")}


def train(job: Job, group: dist.ProcessGroup | None) -> list[dict[str, float]]:
    parallel = Parallel(torch.device("cpu"), group, shard=job.strategy == "shard")
    trained = OBJECTIVES[job.objective](parallel)
    schedules = Schedules(OptimConfig(learning_rate=1e-3, warmup_steps=5), TOTAL_STEPS)
    optimizer = build_optimizer(trained.param_groups(), schedules.config)
    if job.load is not None:
        restore(trained, optimizer, job.load)
    share = GLOBAL_BATCH // job.world
    size = share // job.accumulate
    losses = []
    for step in range(job.first, job.last):
        if job.save is not None and step == job.save_at:
            dcp.save(state(trained, optimizer), checkpoint_id=job.save)
        start = step * GLOBAL_BATCH + job.rank * share
        batches = [micro_batch(start + i * size, size, trained.crop_spec()) for i in range(job.accumulate)]
        context = StepContext(step, TOTAL_STEPS, SEED, GLOBAL_BATCH, torch.device("cpu"), group)
        schedules.apply(optimizer, step)
        terms = trained.forward_backward(batches, context)
        norms = clip_gradients(trained.trained, 3.0)
        optimizer.step()
        optimizer.zero_grad()
        trained.after_optimizer_step(context)
        named = {f"norm {name}": norm for name, norm in norms.items()}
        losses.append({name: float(x) for name, x in (terms | named).items()})
    return losses


def state(trained: Objective, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    modules = {name: module.state_dict() for name, module in trained.modules.items()}
    return {"modules": modules, "optimizer": get_optimizer_state_dict(trained.trained, optimizer)}


def restore(trained: Objective, optimizer: torch.optim.Optimizer, folder: str) -> None:
    loaded = state(trained, optimizer)
    dcp.load(loaded, checkpoint_id=folder, no_dist=not dist.is_initialized())
    for name, module in trained.modules.items():
        module.load_state_dict(loaded["modules"][name])
    set_optimizer_state_dict(trained.trained, optimizer, loaded["optimizer"])


def main(job: Job) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    group = None
    if job.world > 1 or job.strategy == "shard":
        dist.init_process_group(
            "gloo", init_method=f"file://{job.rendezvous}", rank=job.rank, world_size=job.world
        )
        group = dist.group.WORLD
    Path(job.out, f"rank{job.rank}.json").write_text(json.dumps(train(job, group)))
    if group is not None:
        dist.destroy_process_group()
