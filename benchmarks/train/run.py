"""`make bench-train`: the trainer's step beside a plain one, alternating in one process, on whatever device is there.

Usage: python benchmarks/train/run.py [--objective dino|mae|clip|all] [--size SIZE] [--compile] ...

Prints and stores for each objective the ratio of their times, images/s, TFLOP/s, MFU (nominal and adjusted for skipped
samples, see `webssl_trainer.observe.flops`) where the device's peak is known, and peak memory. The options of
compilation, recomputation and float8 are for the trainer's step alone. One file is stored for each objective.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from webssl_trainer.model import Parallel  # noqa: E402
from webssl_trainer.model.compute import Compute, hardware_of, settled  # noqa: E402
from webssl_trainer.observe.flops import peak_flops  # noqa: E402

from benchmarks.train.cases import CPU, GPU, Shape, case  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402
from benchmarks.train.figures import figures, table  # noqa: E402
from benchmarks.train.measure import measure  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, store."""
    given = parsed(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compute = settled(Compute(given.compile, given.checkpointing, given.float8), hardware_of(device))
    usual = GPU if device.type == "cuda" else CPU
    clock = time.process_time if given.cpu_time else time.perf_counter
    results = []
    given.out.mkdir(parents=True, exist_ok=True)
    for objective in sorted(usual) if given.objective == "all" else [given.objective]:
        result = benchmark(changed(usual[objective], given), device, compute, given.pairs, clock)
        results.append(result)
        file = given.out / f"train-{objective}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        file.write_text(json.dumps(result, indent=2) + "\n")
        sys.stdout.write(f"stored in {file}\n")
    sys.stdout.write(table(results))
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objective", choices=["dino", "mae", "clip", "all"], default="all")
    parser.add_argument("--size", help="model size, as spec.model.size")
    parser.add_argument("--batch", type=int, help="samples of a step")
    parser.add_argument("--drop-path", type=float, help="stochastic depth of DINO")
    parser.add_argument("--pairs", type=int, default=5, help="counted steps of each kind")
    parser.add_argument("--compile", action="store_true", help="compile the trainer's blocks")
    parser.add_argument("--checkpointing", choices=["none", "selective", "full"], default="none")
    parser.add_argument("--float8", action="store_true", help="matrix products in float8 (Hopper)")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the process's processor time: on a CPU that others use too, with one thread",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of results")
    return parser.parse_args(arguments)


def changed(shape: Shape, given: argparse.Namespace) -> Shape:
    """The shape with what the command line says."""
    size, batch = given.size or shape.size, given.batch or shape.batch
    drops = shape.objective == "dino" and given.drop_path is not None
    return replace(shape, size=size, batch=batch, drop_path=given.drop_path if drops else shape.drop_path)


def benchmark(
    shape: Shape, device: torch.device, compute: Compute, pairs: int, clock: Callable[[], float]
) -> dict[str, object]:
    """Both sides of one objective."""
    plain = Parallel(device, bf16=device.type == "cuda")
    built = case(shape, plain, replace(plain, compute=compute))
    measured = measure(built, shape.batch, pairs, device, clock, _tell)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    whole, dropped = built.whole_flops, built.dropped_flops
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "device": name,
        "cpus": os.cpu_count(),
        "clock": clock.__name__,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "shape": asdict(shape),
        "compute": asdict(compute),
        "figures": figures(measured.seconds, shape.batch, whole, dropped, peak_flops(name)),
        **asdict(measured),
    }


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
