"""Both towers, their projections to the shared embedding, and the temperature, as one module."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from webssl_trainer.model import Parallel, VisionTransformer, VitConfig
from webssl_trainer.model.drop_path import KeptBranches
from webssl_trainer.objectives.clip.config import ClipConfig
from webssl_trainer.objectives.clip.text import Linear, TextTower

_LARGEST_LOG_SCALE = math.log(100)


class ClipOutput(NamedTuple):
    """Features of unit length, fp32 (B, E) each, and the temperature's parameters (2,), for their gradient."""

    images: Tensor
    texts: Tensor
    temper: Tensor


class Temperature(nn.Module):
    """Log of the factor on cosines, and the sigmoid loss's bias; both are learned."""

    def __init__(self, log_scale: float, bias: float | None) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.empty(1))  # not a scalar: those cannot be sharded
        self.initial = {"log_scale": (log_scale, 0.0)}
        if bias is not None:
            self.bias = nn.Parameter(torch.empty(1))
            self.initial["bias"] = (bias, 0.0)

    def forward(self) -> Tensor:
        """(2,): log scale and bias, 0 without one."""
        bias = self.bias if "bias" in self.initial else torch.zeros_like(self.log_scale)
        return torch.cat([self.log_scale, bias])

    @torch.no_grad()
    def values(self) -> Tensor:
        """What `forward` gives, in fp32 whatever precision the forward pass has. All processes must call it."""
        log_scale, bias = (_whole(getattr(self, name, None)) for name in ("log_scale", "bias"))
        assert log_scale is not None
        return torch.cat([log_scale, torch.zeros_like(log_scale) if bias is None else bias])

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the factor between 1 and 100, as CLIP does."""
        p = self.log_scale
        (p.to_local() if isinstance(p, DTensor) else p).clamp_(0.0, _LARGEST_LOG_SCALE)


class ClipNetwork(nn.Module):
    """`vision` is the plain vision transformer that is evaluated and exported."""

    def __init__(self, vit: VitConfig, config: ClipConfig, vocabulary: int) -> None:
        super().__init__()
        width = config.text.width
        self.vision = VisionTransformer(vit)
        self.text = TextTower(config.text, vocabulary)
        self.image_projection = Linear(vit.width, width, vit.width**-0.5, bias=False)
        self.text_projection = Linear(width, width, width**-0.5, bias=False)
        if config.loss == "siglip":
            self.temperature = Temperature(math.log(10), -10.0)
        else:
            self.temperature = Temperature(math.log(1 / 0.07), None)
        for name, parameter in self.vision.named_parameters():
            # Nothing is masked: without a gradient it would have no optimizer state, on some world sizes only.
            if name == "mask_token":
                parameter.requires_grad_(False)

    def forward(
        self, images: Tensor, tokens_BL: Tensor, last_B: Tensor, kept: KeptBranches | None
    ) -> ClipOutput:
        """Features of pairs.

        Args:
            images: (B, 3, H, W).
            tokens_BL, last_B: see `TextTower.forward`.
            kept: stochastic depth, see `VisionTransformer.forward`.
        """
        (seen,) = self.vision([images], None, kept)
        return ClipOutput(
            images=_unit(self.image_projection(seen.cls)),
            texts=_unit(self.text_projection(self.text(tokens_BL, last_B))),
            temper=self.temperature(),
        )


def build_network(
    vit: VitConfig, config: ClipConfig, vocabulary: int, parallel: Parallel, seed: int
) -> ClipNetwork:
    """A network with memory and initial values, placed on the processes of `parallel`."""
    with torch.device("meta"):
        network = ClipNetwork(vit, config, vocabulary)
    parallel.place(network, [*network.vision.blocks, *network.text.blocks], seed)
    return network


def _unit(x_BE: Tensor) -> Tensor:
    return F.normalize(x_BE if x_BE.dtype == torch.float64 else x_BE.float(), dim=-1)


def _whole(parameter: Tensor | None) -> Tensor | None:
    return parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
