"""The one thing that is trained: from visual tokens to the language model's embeddings.

Shape letters: B images, V visual tokens, D width of the encoder, H width of the language model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPS = 1e-5


class Projector(nn.Module):
    """Two linear layers with GELU between them, (B, V, D) -> (B, V, H).

    Its inputs are standardised by the moments of the training images, and its first outputs have the scale of the language
    model's own embeddings. Neither changes which functions it can be; both spare the first steps the search for the scale.

    Args:
        mean, spread: float32 (D,), moments of the encoder's features.
        width: H.
        scale: root mean square of the language model's embeddings.
        seed: of the initial weights.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, mean: Tensor, spread: Tensor, width: int, scale: float, seed: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.first = nn.Linear(len(mean), width)
        self.second = nn.Linear(width, width)
        self._initialise(scale, torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialise(self, scale: float, generator: torch.Generator) -> None:
        for layer in (self.first, self.second):
            layer.weight.normal_(std=layer.in_features**-0.5, generator=generator)
            layer.bias.zero_()
        # GELU of a standard normal has a mean square of about 0.425.
        self.second.weight.mul_(scale / 0.425**0.5)

    def forward(self, tokens_BVD: Tensor) -> Tensor:
        """(B, V, D) -> (B, V, H)."""
        standard_BVD = (tokens_BVD - self.mean) / (self.spread + _EPS)
        # Sharded networks compute in the precision of their gathered weights.
        standard_BVD = standard_BVD.to(self.first.weight.dtype)
        projected_BVH: Tensor = self.second(nn.functional.gelu(self.first(standard_BVD)))
        return projected_BVH
