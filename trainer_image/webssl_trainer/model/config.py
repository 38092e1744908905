"""The sizes of the vision transformer, one table.

Source: Table of architectures in "Scaling Language-Free Visual Representation Learning" (arXiv 2504.01017);
S and B are ViT-S and ViT-B, `tiny` is for tests and demonstrations on CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

from webssl_trainer.errors import UserError


@dataclass(frozen=True)
class VitConfig:
    """Shape of a vision transformer.

    image_size: side in pixels of the square image that the learned position embedding is stored for; other
        sizes interpolate it. Fixed over a run, also when later stages train at other resolutions.
    mlp_hidden: inner width of the SwiGLU.
    """

    width: int
    depth: int
    heads: int
    patch_size: int = 14
    image_size: int = 224
    layer_scale: float = 1e-5
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"model width {self.width} is not a multiple of {self.heads} heads")
        self.grid_of(self.image_size, self.image_size)

    @property
    def mlp_hidden(self) -> int:
        """SwiGLU width of about 8/3 of the model width, rounded up to a multiple of 8."""
        return (int(4 * self.width * 2 / 3) + 7) // 8 * 8

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
    "1B": (1536, 40, 24),
    "2B": (2688, 24, 21),
    "3B": (3072, 26, 24),
    "5B": (3584, 32, 28),
    "7B": (4096, 32, 32),
}

SIZES = tuple(_SHAPES)


def vit_config(size: str, *, patch_size: int = 14, image_size: int = 224) -> VitConfig:
    """The configuration of a named size.

    Args:
        size: one of SIZES.
        patch_size: pixels per side of a patch.
        image_size: pixels per side of the global crops of the first stage.

    Raises:
        UserError: unknown size, or an image size that the patch size does not divide.
    """
    if size not in _SHAPES:
        raise UserError(f"model.size {size!r} is unknown; use one of {', '.join(SIZES)}")
    width, depth, heads = _SHAPES[size]
    return VitConfig(
        width=width,
        depth=depth,
        heads=heads,
        patch_size=patch_size,
        image_size=image_size,
        layer_scale=_TINY_LAYER_SCALE if size == "tiny" else 1e-5,
    )
