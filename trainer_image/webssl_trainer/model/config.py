"""The sizes of the vision transformer, one table.

Source: Table of architectures in "Scaling Language-Free Visual Representation Learning" (arXiv 2504.01017);
700M is ViT-H, S and B are ViT-S and ViT-B, `tiny` is for tests and demonstrations on CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from webssl_trainer.errors import UserError

Family = Literal["dinov2", "mae"]
"""Whose reference code the details follow that width, depth and heads leave open."""


@dataclass(frozen=True)
class VitConfig:
    """Shape of a vision transformer.

    image_size: side in pixels of the square image that the position embedding is stored for; other sizes
        interpolate it. Fixed over a run, also when later stages train at other resolutions.
    layer_scale: initial factor on each residual branch, None for branches without one.
    mlp: `swiglu` of about 8/3 of the width, or `gelu` of 4 times the width.
    position: position embedding that is `learned`, or fixed sines and cosines (`sincos`).
    mask_token: whether there is a token that replaces masked patches.
    linear_initial: linear weights `normal` with std 0.02, or `xavier` (uniform by fan in and fan out).
    cls_std: standard deviation of the initial CLS token.
    """

    width: int
    depth: int
    heads: int
    patch_size: int = 14
    image_size: int = 224
    layer_scale: float | None = 1e-5
    norm_eps: float = 1e-6
    mlp: Literal["swiglu", "gelu"] = "swiglu"
    position: Literal["learned", "sincos"] = "learned"
    mask_token: bool = True
    linear_initial: Literal["normal", "xavier"] = "normal"
    cls_std: float = 1e-6

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"model width {self.width} is not a multiple of {self.heads} heads")
        if self.position == "sincos" and self.width % 4:
            raise UserError(
                f"model width {self.width} is not a multiple of 4, which sines and cosines of two axes need"
            )
        self.grid_of(self.image_size, self.image_size)

    @property
    def mlp_hidden(self) -> int:
        """Inner width of the MLP: 4 times the width, or for SwiGLU 2/3 of that, rounded up to a multiple of 8."""
        if self.mlp == "gelu":
            return 4 * self.width
        return (int(4 * self.width * 2 / 3) + 7) // 8 * 8

    @property
    def block_weights(self) -> int:
        """Numbers in the matrices of one block, which are multiply-adds per token: qkv, projection and MLP."""
        matrices = 3 if self.mlp == "swiglu" else 2
        return 4 * self.width**2 + matrices * self.width * self.mlp_hidden

    def forward_flops(self, tokens: int) -> float:
        """FLOP of a sequence's forward pass: 2 per multiply-add of the blocks' matrices and of attention."""
        attention = 2 * tokens * self.width
        return 2.0 * self.depth * tokens * (self.block_weights + attention)

    @property
    def grid_size(self) -> int:
        """Patches per side of an image of image_size."""
        return self.image_size // self.patch_size

    def grid_of(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches of an image.

        Raises:
            UserError: a side is not a positive multiple of the patch size.
        """
        p = self.patch_size
        for side in (height, width):
            if side <= 0 or side % p:
                lower = max(side // p, 1) * p
                raise UserError(
                    f"resolution {side} is not a multiple of patchSize {p}; use {lower} or {lower + p}"
                )
        return height // p, width // p


# With the paper's LayerScale an untrained network gives all images nearly one CLS token, and a short run of a
# shallow model spends its steps on getting away from there.
_TINY_LAYER_SCALE = 0.1

_SHAPES: dict[str, tuple[int, int, int]] = {  # width, depth, heads
    "tiny": (96, 4, 3),
    "S": (384, 12, 6),
    "B": (768, 12, 12),
    "300M": (1024, 24, 16),
    "700M": (1280, 32, 16),
    "1B": (1536, 40, 24),
    "2B": (2688, 24, 21),
    "3B": (3072, 26, 24),
    "5B": (3584, 32, 28),
    "7B": (4096, 32, 32),
}

SIZES = tuple(_SHAPES)

_FAMILIES: dict[Family, dict[str, Any]] = {
    "dinov2": {},
    # He et al., "Masked autoencoders are scalable vision learners" (2022) and its reference code.
    "mae": {
        "layer_scale": None,
        "mlp": "gelu",
        "position": "sincos",
        "mask_token": False,
        "linear_initial": "xavier",
        "cls_std": 0.02,
    },
}


def vit_config(
    size: str, *, patch_size: int = 14, image_size: int = 224, family: Family = "dinov2"
) -> VitConfig:
    """The configuration of a named size.

    Args:
        size: one of SIZES.
        patch_size: pixels per side of a patch.
        image_size: pixels per side of the global crops of the first stage.
        family: `dinov2` (SwiGLU, LayerScale, learned positions) or `mae` (GELU, fixed positions).

    Raises:
        UserError: unknown size, or an image size that the patch size does not divide.
    """
    if size not in _SHAPES:
        raise UserError(f"model.size {size!r} is unknown; use one of {', '.join(SIZES)}")
    width, depth, heads = _SHAPES[size]
    tiny = {"layer_scale": _TINY_LAYER_SCALE} if size == "tiny" else {}
    return VitConfig(width, depth, heads, patch_size, image_size, **(tiny | _FAMILIES[family]))
