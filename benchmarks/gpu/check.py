"""Are the fast paths right on this device? Losses in fp32, bf16, compiled and float8 beside each other, and attention.

Usage: python benchmarks/gpu/check.py [--out FOLDER] [--steps N]

The same DINO run of a small transformer, from the same weights on the same batch, in every way that the device can
compute it; and one variable-length attention call against one call for each length, with gradients.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from webssl_trainer.model import Parallel  # noqa: E402
from webssl_trainer.model.attention import attend, part_by_part  # noqa: E402
from webssl_trainer.model.compute import Compute, hardware_of, settled  # noqa: E402
from webssl_trainer.model.packing import Part  # noqa: E402
from webssl_trainer.objectives import StepContext  # noqa: E402

from benchmarks.train.cases import STEPS, Shape, case  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402

SMALL = Shape("dino", "S", 8, 112, 14, 56, 1024, 0.3)
LIMITS = {"bf16": 0.02, "bf16 compiled": 0.02, "bf16 float8": 0.05}
"""Largest relative difference of a loss from the one in fp32."""


def main() -> int:
    """Compare, print, store; 1 if something differs by more than its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", default=SMALL.size)
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    losses = losses_by_way(replace(SMALL, size=given.size), device, given.steps)
    differences = {
        name: difference(losses["fp32"], found) for name, found in losses.items() if name != "fp32"
    }
    attention = attention_error(device)
    wrong = [name for name, value in differences.items() if not value <= LIMITS[name]]
    wrong += [f"attention {name}" for name, value in attention.items() if not value <= 0.02]
    result = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "device": asdict(hardware_of(device)),
        "torch": torch.__version__,
        "losses": {name: [round(value, 5) for value in found] for name, found in losses.items()},
        "largest_relative_difference_from_fp32": differences,
        "relative_error_of_attention": attention,
        "wrong": wrong,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "check.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps({**result, "losses": None}) + "\n")
    return 1 if wrong else 0


def losses_by_way(shape: Shape, device: torch.device, steps: int) -> dict[str, list[float]]:
    """Losses of the first steps in each way that the device knows."""
    hardware = hardware_of(device)
    half = Parallel(device, bf16=True)
    ways = {"fp32": Parallel(device), "bf16": half}
    if hardware.capability is not None and hardware.compiler:
        ways["bf16 compiled"] = replace(half, compute=settled(Compute(compile=True), hardware))
    if hardware.capability is not None and hardware.capability >= (9, 0):
        ways["bf16 float8"] = replace(half, compute=settled(Compute(float8=True), hardware))
    return {name: losses_of(shape, parallel, steps) for name, parallel in ways.items()}


def losses_of(shape: Shape, parallel: Parallel, steps: int) -> list[float]:
    """Losses of the trainer's own steps."""
    own = case(shape, parallel, parallel).own
    return [own.step(StepContext(n, STEPS, 0, shape.batch, parallel.device)) for n in range(steps)]


def difference(expected: list[float], found: list[float]) -> float:
    """Largest relative difference of paired losses."""
    return max(abs(a - b) / abs(a) for a, b in zip(expected, found, strict=True))


def attention_error(device: torch.device) -> dict[str, float]:
    """Of `attend` in bf16 against one call for each part in fp32: of its output and of its gradient, each relative to
    the largest number."""
    layout, heads, width = [Part(4, 257), Part(16, 50)], 6, 384
    generator = torch.Generator().manual_seed(0)
    tokens = sum(part.tokens for part in layout)
    values = torch.randn(tokens, 3 * width, generator=generator).to(device, torch.bfloat16)
    weights = torch.randn(tokens, width, generator=generator).to(device)
    fast, exact = values.clone().requires_grad_(), values.float().requires_grad_()
    outputs = attend(fast, layout, heads), part_by_part(exact, layout, heads)
    for output in outputs:
        (output.float() * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert fast.grad is not None
    assert exact.grad is not None
    pairs = {"output": (outputs[0].detach(), outputs[1].detach()), "gradient": (fast.grad, exact.grad)}
    return {name: float((a.float() - b).abs().max() / b.abs().max()) for name, (a, b) in pairs.items()}


if __name__ == "__main__":
    sys.exit(main())
