"""`make bench-train`: the trainer's DINO step beside a plain one, alternating in one process, on whatever device is there.

Prints and stores the ratio of their times, images/s, TFLOP/s, MFU where the device's peak is known, and peak memory.
TFLOP/s are nominal: the arithmetic of a step in which no branch is dropped, over its time (`ObjectiveConfig.sample_flops`).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.observe.flops import peak_flops
from webssl_trainer.optim import OptimConfig, Schedules, build_optimizer, clip_gradients

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.plain import PlainStep  # noqa: E402

LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Shape:
    """What is trained. Sides in pixels; batch in samples."""

    size: str
    batch: int
    resolution: int
    local: int
    prototypes: int
    drop_path: float


CPU = Shape("S", 8, 112, 56, 4096, 0.3)
GPU = Shape("300M", 64, 224, 98, 131072, 0.3)


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", help="model size, as spec.model.size")
    parser.add_argument("--batch", type=int, help="samples of a step")
    parser.add_argument("--drop-path", type=float, help="stochastic depth")
    parser.add_argument(
        "--pairs", type=int, default=5, help="steps of each kind, after one that is not counted"
    )
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    usual = GPU if device.type == "cuda" else CPU
    chosen = {"size": given.size, "batch": given.batch, "drop_path": given.drop_path}
    shape = Shape(**{**asdict(usual), **{name: value for name, value in chosen.items() if value is not None}})
    result = benchmark(shape, device, given.pairs)
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"train-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + f"\nstored in {file.relative_to(ROOT)}\n")
    return 0


def benchmark(shape: Shape, device: torch.device, pairs: int) -> dict[str, object]:
    """Alternate plain and own steps on the same micro-batch; medians of their seconds."""
    crops = CropSpec(global_size=shape.resolution, local_size=shape.local)
    head = HeadConfig(prototypes=shape.prototypes)
    config = DinoConfig(
        crops=crops,
        dino_head=head,
        ibot_head=head,
        drop_path=shape.drop_path,
        group_size=min(16, shape.batch),
    )
    vit = vit_config(shape.size, image_size=shape.resolution)
    parallel = Parallel(device, bf16=device.type == "cuda")
    batch = _batch(shape.batch, crops, device)
    plain = PlainStep(DinoObjective(vit, config, parallel, seed=0), LEARNING_RATE)
    steps: dict[str, Callable[[StepContext], object]] = {
        "plain": lambda ctx: plain(batch, ctx),
        "own": _own(DinoObjective(vit, config, parallel, seed=0), batch),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    peaks: dict[str, float] = {}
    for number in range(pairs + 1):
        ctx = StepContext(number, 1000, 0, shape.batch, device)
        for name, step in steps.items():
            took, peak = _timed(step, ctx)
            if number:  # the first step pays for allocation and for kernels that are chosen or compiled
                seconds[name].append(took)
                peaks[name] = max(peaks.get(name, 0.0), peak)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    flops = shape.batch * config.sample_flops(vit, crops)
    peak = peak_flops(_device_name(device))
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "device": _device_name(device),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "shape": asdict(shape),
        "seconds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
        "ratio": round(medians["plain"] / medians["own"], 3),
        "images_per_second": round(shape.batch / medians["own"], 2),
        "nominal_tflops": round(flops / medians["own"] / 1e12, 4),
        "nominal_mfu": round(flops / medians["own"] / peak, 4) if peak else None,
        "peak_gib": {name: round(value, 3) for name, value in peaks.items()} if peaks.get("own") else None,
    }


def _own(objective: DinoObjective, batch: Batch) -> Callable[[StepContext], object]:
    optim = OptimConfig(learning_rate=LEARNING_RATE, warmup_steps=0)
    optimizer = build_optimizer(objective.param_groups(), optim)
    schedules = Schedules(optim, 1000)

    def step(ctx: StepContext) -> object:
        schedules.apply(optimizer, ctx.step)
        terms = objective.forward_backward([batch], ctx)
        clip_gradients(objective.trained, 3.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_optimizer_step(ctx)
        return terms

    return step


def _timed(step: Callable[[StepContext], object], ctx: StepContext) -> tuple[float, float]:
    """Seconds of a step and, on a GPU, the most GiB that were in use."""
    gpu = ctx.device.type == "cuda"
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    step(ctx)
    if gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - began, torch.cuda.max_memory_allocated() / 2**30 if gpu else 0.0


def _batch(count: int, crops: CropSpec, device: torch.device) -> Batch:
    generator = torch.Generator().manual_seed(0)

    def pixels(number: int, side: int) -> torch.Tensor:
        return torch.randn(number, count, 3, side, side, generator=generator).to(device)

    return Batch(
        positions=np.arange(count),
        sample_ids=[str(number) for number in range(count)],
        global_crops=pixels(crops.n_global, crops.global_size),
        local_crops=pixels(crops.n_local, crops.local_size),
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()


def _commit() -> str | None:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
