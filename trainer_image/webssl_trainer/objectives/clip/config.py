"""Settings of the CLIP objective."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.interface import Needs

BUILT_IN = ("clip", "bytes")
"""Tokenizers that need no file."""


@dataclass(frozen=True)
class TextConfig:
    """Shape of the causal text transformer. context: most tokens of a caption, its start and end included."""

    width: int
    depth: int
    heads: int
    context: int = 77

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(
                f"spec.objective.clip.textTower.width {self.width} is not a multiple of its {self.heads} heads"
            )

    @property
    def forward_flops(self) -> float:
        """FLOP of a caption's forward pass: 2 per multiply-add of the blocks' matrices and of causal attention."""
        return 2.0 * self.depth * self.context * (12 * self.width**2 + self.context * self.width)


# width, depth, heads. The towers that OpenCLIP and MetaCLIP put beside ViT-B, L and H; all of the paper's larger
# models have the one of ViT-bigG. `tiny` and S are ours.
_TOWERS: dict[str, tuple[int, int, int]] = {
    "tiny": (96, 4, 3),
    "S": (384, 6, 6),
    "B": (512, 12, 8),
    "300M": (768, 12, 12),
    "700M": (1024, 24, 16),
}
_LARGEST = (1280, 32, 20)


def text_tower(size: str, context: int = 77) -> TextConfig:
    """The text tower beside a vision transformer of a named size."""
    return TextConfig(*_TOWERS.get(size, _LARGEST), context=context)


# Moments of the images that OpenAI trained CLIP on; OpenCLIP and MetaCLIP keep them on all data.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_crops(side: int = 224) -> CropSpec:
    """One crop of nearly the whole image, neither mirrored (text would be) nor recoloured."""
    return CropSpec(
        global_size=side,
        n_global=1,
        n_local=0,
        global_scale=(0.9, 1.0),
        flip=0.0,
        photometric_global=(),
        photometric_local=None,
        mean=_MEAN,
        std=_STD,
    )


@dataclass(frozen=True)
class ClipConfig:
    """Image-text contrast.

    text: the text tower; the shared embedding has its width.
    caption: extension of the caption's member.
    tokenizer: `clip`, `bytes`, or the URL of a JSON file of the `tokenizers` library.
    loss: `infonce`, the symmetric cross-entropy of CLIP, or `siglip`, the sigmoid loss.
    drop_path: stochastic depth of the vision tower.
    """

    text: TextConfig
    crops: CropSpec = field(default_factory=clip_crops)
    caption: str = "txt"
    tokenizer: str = "clip"
    loss: Literal["infonce", "siglip"] = "infonce"
    drop_path: float = 0.0
    patch_embed_lr_multiplier: float = 1.0

    @property
    def needs(self) -> Needs:
        """A caption with each image, and the tokenizer's file where it is not a built-in one."""
        files = () if self.tokenizer in BUILT_IN else (self.tokenizer,)
        return Needs({self.caption: "spec.objective.clip.captionExtension"}, files)

    def sample_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """FLOP per sample: forward and backward (3 x forward) of both towers, the text tower's on a full context.

        Patch embedding, projections and logits are left out, and so is the second forward pass of gradient caching:
        like activation checkpointing it is work that the gradient does not need.
        """
        return 3 * (self._vision_flops(vit, crops) + self.text.forward_flops)

    def dropped_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """The vision tower drops branches; the text tower has them all."""
        return self.drop_path * 3 * self._vision_flops(vit, crops)

    def _vision_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        return vit.forward_flops(1 + (crops.global_size // vit.patch_size) ** 2)
