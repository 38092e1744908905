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

    Linear weights are normal with std 0.02 (DINOv2), or uniform by Xavier (MAE) where the module that is given
    says so in an attribute `linear_initial`; biases 0. The patch projection is uniform within 1 / sqrt(fan in),
    by Xavier its weight too; norms 1 and 0. A module with parameters of its own declares them in an attribute
    `initial`: name -> (mean, std) of a normal distribution, or the values.

    Raises:
        TypeError: a parameter belongs to a module without a rule here.
    """
    xavier = getattr(module, "linear_initial", "normal") == "xavier"
    for owner_name, owner in module.named_modules():
        for name, parameter in owner.named_parameters(recurse=False):
            generator = _generator(seed, f"{owner_name}.{name}")
            full = _value(owner, name, tuple(parameter.shape), generator, xavier)
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


def _value(
    owner: nn.Module, name: str, shape: tuple[int, ...], generator: torch.Generator, xavier: bool
) -> Tensor:
    zeros = torch.zeros(shape)
    declared: dict[str, tuple[float, float] | Tensor] | None = getattr(owner, "initial", None)
    if declared is not None:
        value = declared[name]
        return value if isinstance(value, Tensor) else zeros.normal_(*value, generator=generator)
    match owner:
        case nn.Linear() | nn.Conv2d() if xavier and name == "weight":
            bound = math.sqrt(6 / (shape[0] + math.prod(shape[1:])))
            return zeros.uniform_(-bound, bound, generator=generator)
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
