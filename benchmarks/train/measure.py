"""Alternate the steps of both sides in one process, and time them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from webssl_trainer.objectives import StepContext

from benchmarks.train.cases import STEPS, Case, Side

_PEAK_OF_PROCESS = Path("/proc/self/clear_refs")


@dataclass
class Measured:
    """Of each side, by name: seconds and losses of the counted steps, and the most GiB that a step had in use: on a GPU
    without the other side's networks; on a CPU of the whole process, both sides' networks with it."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)
    peak_gib: dict[str, float] = field(default_factory=dict)


def measure(
    case: Case,
    samples: int,
    pairs: int,
    device: torch.device,
    clock: Callable[[], float],
    progress: Callable[[str], None],
) -> Measured:
    """`pairs` steps of each side, one after the other, after two that are not counted.

    Those pay for allocation and for kernels that are chosen or compiled.
    """
    measured, sides = Measured(), {"plain": case.plain, "own": case.own}
    for number in range(-2, pairs):
        ctx = StepContext(number + 2, STEPS, 0, samples, device)
        for name, side in sides.items():
            seconds, peak, loss = _timed(side, ctx, clock)
            progress(f"step {number} {name}: {seconds:.3f} s, loss {loss:.4f}")
            if number >= 0:
                measured.seconds.setdefault(name, []).append(round(seconds, 4))
                measured.losses.setdefault(name, []).append(round(loss, 5))
                measured.peak_gib[name] = round(max(measured.peak_gib.get(name, 0.0), peak), 3)
    return measured


def _timed(side: Side, ctx: StepContext, clock: Callable[[], float]) -> tuple[float, float, float]:
    """Seconds, GiB and loss of a step."""
    gpu = ctx.device.type == "cuda"
    others = 0
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        others = torch.cuda.memory_allocated() - _resident(side)
    else:
        _PEAK_OF_PROCESS.write_text("5")  # Linux: the process's peak starts again from here
    began = clock()
    loss = side.step(ctx)
    if gpu:
        torch.cuda.synchronize()
    seconds = clock() - began
    peak = torch.cuda.max_memory_allocated() - others if gpu else _peak_of_process()
    return seconds, peak / 2**30, loss


def _resident(side: Side) -> int:
    """Bytes of parameters, gradients and optimizer state."""
    parameters = [p for module in side.modules.values() for p in module.parameters()]
    gradients = [p.grad for p in parameters if p.grad is not None]
    moments = [
        x for state in side.optimizer.state.values() for x in state.values() if isinstance(x, torch.Tensor)
    ]
    return sum(x.numel() * x.element_size() for x in (*parameters, *gradients, *moments))


def _peak_of_process() -> int:
    """Bytes, by Linux's count since it was last reset."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
