"""Initial values of parameters, each a function of (seed, qualified name) alone.

The same values result at every world size, sharded or not, and no process holds more than one whole parameter
at a time beside its own shards.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from webssl_trainer.random import Purpose, bits

_STD = 0.02


@torch.no_grad()
def initialise(module: nn.Module, seed: int) -> None:
    """Set every parameter of a materialised module, plain or sharded.

    Linear weights, position embedding and mask follow DINOv2: normal with std 0.02 (biases 0), patch
    projection uniform within 1 / sqrt(fan in), norms 1 and 0, CLS token normal with std 1e-6, mask token 0.
    A module with parameters of its own declares them in an attribute `initial`: name -> (mean, std).

    Raises:
        TypeError: a parameter belongs to a module without a rule here.
    """
    for owner_name, owner in module.named_modules():
        for name, parameter in owner.named_parameters(recurse=False):
            full = _value(owner, name, tuple(parameter.shape), _generator(seed, f"{owner_name}.{name}"))
            if isinstance(parameter, DTensor):
                # Every process drew the same tensor; no source rank, so nothing is sent.
                parameter.copy_(
                    distribute_tensor(
                        full.to(parameter.device),
                        parameter.device_mesh,
                        parameter.placements,
                        src_data_rank=None,
                    )
                )
            else:
                parameter.copy_(full)


def _value(owner: nn.Module, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    zeros = torch.zeros(shape)
    declared: dict[str, tuple[float, float]] | None = getattr(owner, "initial", None)
    if declared is not None:
        mean, std = declared[name]
        return zeros.normal_(mean, std, generator=generator)
    match owner:
        case nn.Linear():
            return zeros if name == "bias" else zeros.normal_(std=_STD, generator=generator)
        case nn.Conv2d():
            bound = 1 / math.sqrt(owner.in_channels * math.prod(owner.kernel_size))
            return zeros.uniform_(-bound, bound, generator=generator)
        case nn.LayerNorm():
            return zeros if name == "bias" else zeros + 1
    raise TypeError(f"no initial value for {name} of {type(owner).__name__}")


def _generator(seed: int, name: str) -> torch.Generator:
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    word = int(bits(seed, digest, Purpose.PARAMETER)) >> 1
    return torch.Generator().manual_seed(word)
