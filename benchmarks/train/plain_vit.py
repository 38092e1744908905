"""A vision transformer's forward pass as one would write it first: one batch, one size, block after block.

It reads the parameters of `webssl_trainer`'s network and uses none of its forward code, so that what the trainer does
for speed stays out of it. Shape letters: B images, L patches, T tokens of an image, D width.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from webssl_trainer.model import VisionTransformer


def embedded(vit: VisionTransformer, images: Tensor, mask_BL: Tensor | None = None) -> Tensor:
    """Patches with their positions, (B, L, D); the mask token in the place of masked ones."""
    x_BLD = vit.patch_embed.proj(images).flatten(2).transpose(1, 2)
    if mask_BL is not None:
        x_BLD = torch.where(mask_BL.unsqueeze(-1), vit.mask_token.to(x_BLD.dtype), x_BLD)
    return cast(Tensor, x_BLD + _positions(vit, images)[:, 1:])


def with_cls(vit: VisionTransformer, patches_BLD: Tensor, images: Tensor) -> Tensor:
    """The CLS token in front, (B, 1 + L, D)."""
    cls = vit.cls_token.to(patches_BLD.dtype) + _positions(vit, images)[:, :1]
    return torch.cat([cls.expand(len(patches_BLD), -1, -1).to(patches_BLD.dtype), patches_BLD], dim=1)


def run_blocks(blocks: nn.ModuleList, x_BTD: Tensor, factors: Tensor | None = None) -> Tensor:
    """(B, T, D) -> (B, T, D). factors: (blocks, 2, B), 0 or 1 / keep for each branch, None for ones."""
    for layer, block in enumerate(blocks):
        for which, branch in enumerate((attention, mlp)):
            y_BTD = branch(block, x_BTD)
            if factors is not None:
                y_BTD = y_BTD * factors[layer, which, :, None, None].to(y_BTD.dtype)
            x_BTD = x_BTD + y_BTD
    return x_BTD


def attention(block: Any, x_BTD: Tensor) -> Tensor:
    """The first branch of a block, on every image."""
    images, tokens, width = x_BTD.shape
    qkv = block.attn.qkv(block.norm1(x_BTD)).reshape(images, tokens, 3, block.attn.heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(images, tokens, width)
    return cast(Tensor, block.ls1(block.attn.proj(seen)))


def mlp(block: Any, x_BTD: Tensor) -> Tensor:
    """The second branch of a block, on every image."""
    x = block.norm2(x_BTD)
    if hasattr(block.mlp, "w12"):
        gate, value = block.mlp.w12(x).chunk(2, dim=-1)
        return cast(Tensor, block.ls2(block.mlp.w3(F.silu(gate) * value)))
    return cast(Tensor, block.ls2(block.mlp.fc2(F.gelu(block.mlp.fc1(x)))))


def _positions(vit: VisionTransformer, images: Tensor) -> Tensor:
    return vit.position_embedding(*vit.config.grid_of(*images.shape[-2:]))
