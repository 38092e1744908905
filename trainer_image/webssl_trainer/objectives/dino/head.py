"""Projection head of DINO and iBOT."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webssl_trainer.objectives.dino.config import HeadConfig


class Prototypes(nn.Module):
    """Linear layer without bias whose rows have unit length: weight norm with its norm frozen at 1."""

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.zeros(count, dim))

    def initial_value(self, name: str, zeros: Tensor, generator: torch.Generator) -> Tensor:
        """See `model.init.initialise`."""
        bound = 1 / math.sqrt(zeros.shape[1])
        return zeros.uniform_(-bound, bound, generator=generator)

    def forward(self, x_BE: Tensor) -> Tensor:
        """(B, E) -> cosine-like logits (B, K)."""
        return F.linear(x_BE, F.normalize(self.direction, dim=-1).to(x_BE.dtype))


class Head(nn.Module):
    """Three linear layers with GELU, L2 normalisation, prototypes (DINO, Caron et al., 2021)."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, config.hidden_dim),
            nn.GELU(),
            nn.Linear(config.hidden_dim, config.hidden_dim),
            nn.GELU(),
            nn.Linear(config.hidden_dim, config.bottleneck_dim),
        )
        self.last_layer = Prototypes(config.bottleneck_dim, config.prototypes)

    def forward(self, x_BD: Tensor) -> Tensor:
        """(B, D) -> logits in [-1, 1], (B, K). B may be 0."""
        logits: Tensor = self.last_layer(F.normalize(self.mlp(x_BD), dim=-1, eps=1e-6))
        return logits
