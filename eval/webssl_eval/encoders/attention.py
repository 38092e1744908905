"""Attention of the last block: where one query looks. Shape letters: B images, L patches, D width, H heads, d width of a head."""

from __future__ import annotations

import torch
from torch import Tensor
from webssl_trainer.model import VisionTransformer


def patch_attention(qkv_BTE: Tensor, heads: int, before: int) -> Tensor:
    """Softmax attention to the patches, (B, T, 3 D) -> float32 (B, H, L), T = before + L.

    The query is the first token's. An encoder without a class token has no such query; then the mean of its patches' queries looks.

    Args:
        qkv_BTE: queries, keys and values, each D wide, head by head.
        heads: H.
        before: tokens before the patches, the class token first; 0 for an encoder without one. Their shares are left out.
    """
    q_BHTd, k_BHTd, _ = torch.unflatten(qkv_BTE.float(), -1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    query_BH1d = q_BHTd[:, :, :1] if before else q_BHTd.mean(dim=2, keepdim=True)
    shares_BH1T = (query_BH1d @ k_BHTd.transpose(-1, -2) * k_BHTd.shape[-1] ** -0.5).softmax(dim=-1)
    found: Tensor = shares_BH1T[:, :, 0, before:]
    return found


@torch.inference_mode()
def last_attention(vit: VisionTransformer, images_BCHW: Tensor) -> Tensor:
    """`patch_attention` in the last block of a transformer, float32 (B, H, R, C) on the CPU; one forward pass."""
    block = vit.blocks[-1]
    read: list[Tensor] = []
    hook = block.register_forward_pre_hook(lambda _module, given: read.extend(given[0]))
    try:
        vit.features(images_BCHW)
    finally:
        hook.remove()
    qkv_BTE = block.attn.qkv(block.norm1(read[0]))  # type: ignore[operator, union-attr]
    maps_BHL = patch_attention(qkv_BTE, vit.config.heads, before=1)
    grid = vit.config.grid_of(*images_BCHW.shape[-2:])
    return maps_BHL.reshape(*maps_BHL.shape[:2], *grid).cpu()
