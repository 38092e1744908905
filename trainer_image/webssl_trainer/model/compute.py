"""How blocks do their arithmetic: compiled or not, what they recompute, in which precision. Parameters and their names
are the same in every way, so checkpoints do not depend on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, ParamSpec, TypeVar, cast

import torch
from torch.utils.checkpoint import checkpoint

from webssl_trainer.errors import UserError

Recompute = Literal["none", "selective", "full"]
P = ParamSpec("P")
R = TypeVar("R")

_HOPPER = (9, 0)
"""CUDA's compute capability of the first GPUs with float8 matrix products and tensorwise scales."""


@dataclass(frozen=True)
class Compute:
    """compile: `torch.compile` for the blocks; None is decided by `settled`, and counts as off until then.
    recompute: what a block computes again in the backward pass instead of keeping it, see `block.Block`.
    float8: matrix products of the blocks in float8, see `float8`."""

    compile: bool | None = False
    recompute: Recompute = "none"
    float8: bool = False


@dataclass(frozen=True)
class Hardware:
    """What a process runs on. capability: CUDA's, None without a GPU. compiler: is there a C compiler, which
    `torch.compile` needs on GPUs and on CPUs."""

    name: str
    capability: tuple[int, int] | None
    compiler: bool


def settled(asked: Compute, hardware: Hardware) -> Compute:
    """What is done on this hardware: compiled where nobody said otherwise, on GPUs that have a C compiler beside them.

    Raises:
        UserError: the hardware cannot do what was asked.
    """
    if asked.float8 and (hardware.capability is None or hardware.capability < _HOPPER):
        raise UserError(
            f"spec.compute.float8 true needs a GPU of the Hopper generation or newer, and this is {hardware.name}: "
            "set it to false, or run on H100 or newer"
        )
    if asked.compile and not hardware.compiler:
        raise UserError(
            "spec.compute.compile true needs a C compiler, and neither CC nor the path names one: "
            "set it to false, or use an image with gcc"
        )
    if asked.compile is None:
        return replace(asked, compile=hardware.capability is not None and hardware.compiler)
    return asked


def hardware_of(device: torch.device) -> Hardware:
    """Look at the device of this process."""
    compiler = bool(os.environ.get("CC")) or any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    if device.type != "cuda":
        return Hardware(f"a {device.type.upper()}", None, compiler)
    return Hardware(torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device), compiler)


@cache
def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled for sizes that vary: modules and parameters are arguments, so that all blocks of a kind
    share one graph."""
    return cast(Callable[P, R], torch.compile(function, dynamic=True))


def recomputed(function: Callable[..., R], *inputs: Any) -> R:
    """function(*inputs), of which the backward pass keeps the inputs only and runs the function again.

    It runs no further than to the last tensor that the backward pass needs: a matrix product at the end of the
    function is not computed twice. Nothing in it may be random.
    """
    result: R = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
