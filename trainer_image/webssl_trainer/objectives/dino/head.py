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
        self.direction = nn.Parameter(torch.empty(count, dim))
        # The length of a row sets how fast it turns; this is the variance of torch's default for a linear layer.
        self.initial = {"direction": (0.0, 1 / math.sqrt(3 * dim))}

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
