"""The text tower: a causal pre-norm transformer whose last token stands for the caption.

Source: Radford et al., "Learning transferable visual models from natural language supervision" (2021) and its
initial values. Shape letters: B captions, L tokens, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webssl_trainer.objectives.clip.config import TextConfig


class Linear(nn.Linear):
    """A linear layer whose weights start normal with a given standard deviation; the bias starts at 0."""

    def __init__(self, width: int, out: int, std: float, bias: bool = True) -> None:
        super().__init__(width, out, bias=bias)
        self.initial = {"weight": (0.0, std), "bias": (0.0, 0.0)}


class TextBlock(nn.Module):
    """Causal attention, then an MLP of four times the width with CLIP's approximation of GELU."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        std, end_std = width**-0.5, (2 * width * config.depth) ** -0.5
        self.norm1 = nn.LayerNorm(width)
        self.qkv = Linear(width, 3 * width, std)
        self.proj = Linear(width, width, end_std)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = Linear(width, 4 * width, (2 * width) ** -0.5)
        self.fc2 = Linear(4 * width, width, end_std)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        qkv = torch.unflatten(self.qkv(self.norm1(x_BLD)), -1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y_BHLd = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BLD = x_BLD + self.proj(y_BHLd.transpose(1, 2).flatten(2))
        hidden = self.fc1(self.norm2(x_BLD))
        projected: Tensor = self.fc2(hidden * torch.sigmoid(1.702 * hidden))
        return x_BLD + projected


class TextTower(nn.Module):
    """Tokens to one feature per caption."""

    def __init__(self, config: TextConfig, vocabulary: int) -> None:
        super().__init__()
        self.token_embed = nn.Parameter(torch.empty(vocabulary, config.width))
        self.pos_embed = nn.Parameter(torch.empty(config.context, config.width))
        self.initial = {"token_embed": (0.0, 0.02), "pos_embed": (0.0, 0.01)}
        self.blocks = nn.ModuleList(TextBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens_BL: Tensor, last_B: Tensor) -> Tensor:
        """Features of captions.

        Args:
            tokens_BL: int64 (B, L), L at most the context; what follows a caption's last token changes nothing.
            last_B: int64 (B,), place of the last token of each caption.

        Returns:
            (B, D), normed.
        """
        x_BLD = F.embedding(tokens_BL, self.token_embed) + self.pos_embed[: tokens_BL.shape[1]]
        for block in self.blocks:
            x_BLD = block(x_BLD)
        ends_BD = x_BLD[torch.arange(len(x_BLD), device=x_BLD.device), last_B]
        normed: Tensor = self.norm(ends_BD)
        return normed
