"""One process of two that train a sharded network, with and without features taken between the steps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor
from webssl_trainer.data import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.loop.feature_pass import is_collective, patch_features
from webssl_trainer.model import Parallel, VisionTransformer, VitConfig
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.optim import OptimConfig, build_optimizer, clip_gradients

CPU = torch.device("cpu")
VIT = VitConfig(width=16, depth=3, heads=2, patch_size=4, image_size=16)
SAMPLES, STEPS = 2, 4
IMAGES = torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)


def built(kind: str) -> Objective:
    parallel = Parallel(CPU, dist.group.WORLD, shard=True)
    if kind == "mae":
        decoder = DecoderConfig(width=8, depth=1, heads=1)
        return MaeObjective(VIT, MaeConfig(crops=mae_crops(16), decoder=decoder), parallel, seed=0)
    head = HeadConfig(16, 8, 32)
    crops = CropSpec(global_size=16, local_size=8, n_local=1)
    config = DinoConfig(crops=crops, dino_head=head, ibot_head=head, group_size=SAMPLES)
    return DinoObjective(VIT, config, parallel, seed=0)


def batch(crops: CropSpec, first: int) -> Batch:
    random = np.random.default_rng(first)
    large, small = (
        torch.from_numpy(random.integers(0, 256, (n, SAMPLES, 3, side, side), dtype=np.uint8))
        for n, side in ((crops.n_global, crops.global_size), (crops.n_local, crops.local_size))
    )
    positions = np.arange(first, first + SAMPLES, dtype=np.int64)
    return Batch(positions, [str(p) for p in positions], large, small)


def train(objective: Objective, rank: int, looks: bool) -> list[float]:
    """Losses and gradient norms of a few steps."""
    optimizer = build_optimizer(objective.param_groups(), OptimConfig(learning_rate=1e-3))
    seen = []
    for step in range(STEPS):
        ctx = StepContext(step, STEPS, 0, 2 * SAMPLES, CPU, dist.group.WORLD)
        first = (2 * step + rank) * SAMPLES
        terms = objective.forward_backward([batch(objective.crop_spec(), first)], ctx)
        norms = clip_gradients(objective.trained, 3.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_optimizer_step(ctx)
        seen += [value.item() for value in (*terms.values(), *norms.values())]
        if looks:
            patch_features(objective, IMAGES if rank == 0 else torch.zeros_like(IMAGES), CPU)
    return seen


def whole_features(objective: Objective) -> torch.Tensor:
    """The same features from a network in one piece."""
    name, _, below = objective.encoder.partition(".")
    state = objective.modules[name].get_submodule(below).state_dict()
    encoder = VisionTransformer(VIT)
    encoder.load_state_dict({k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in state.items()})
    with torch.no_grad():
        return encoder([IMAGES])[0].patches.unflatten(1, (4, 4))


def main(rank: int, kind: str, out: Path, port: int) -> None:
    """Leave what was found as JSON."""
    torch.set_num_threads(1)
    # The test keeps the store, as an agent does.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found: dict[str, Any] = {"without": train(built(kind), rank, looks=False)}
    state = torch.random.get_rng_state()
    objective = built(kind)
    found["with"] = train(objective, rank, looks=True)
    found["random_state_kept"] = bool(torch.equal(state, torch.random.get_rng_state()))
    found["collective"] = is_collective(objective)
    found["features"] = patch_features(objective, IMAGES, CPU).flatten().tolist()[:50]
    found["whole"] = whole_features(objective).flatten().tolist()[:50]
    (out / f"rank{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()
