"""Settings of the masked autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.interface import Needs


@dataclass(frozen=True)
class DecoderConfig:
    """The decoder's transformer: narrow, and thrown away after training."""

    width: int = 512
    depth: int = 8
    heads: int = 16


def mae_crops(size: int = 224) -> CropSpec:
    """One crop of a fifth of the image or more, mirrored half the time, colours as they are (MAE, appendix A.1)."""
    return CropSpec(
        global_size=size,
        n_global=1,
        n_local=0,
        global_scale=(0.2, 1.0),
        photometric_global=(),
        photometric_local=None,
    )


@dataclass(frozen=True)
class MaeConfig:
    """Masked autoencoding (He et al., 2022). Defaults: the published recipe, which Web-MAE follows.

    mask_ratio: share of the patches that are hidden. normalise_pixels: targets have mean 0 and variance 1 within
    each patch. drop_path: stochastic depth of the encoder (the published recipe: none).
    """

    crops: CropSpec = field(default_factory=mae_crops)
    mask_ratio: float = 0.75
    normalise_pixels: bool = True
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    drop_path: float = 0.0
    patch_embed_lr_multiplier: float = 1.0

    def __post_init__(self) -> None:
        if (self.crops.n_global, self.crops.n_local) != (1, 0):
            raise UserError(
                f"crops.n_global {self.crops.n_global}, crops.n_local {self.crops.n_local}: "
                "MAE sees one crop of each image; use 1 and 0"
            )
        if not 0 < self.mask_ratio < 1:
            raise UserError(f"maskRatio {self.mask_ratio}: use a share between 0 and 1")

    @property
    def needs(self) -> Needs:
        """Pixels alone."""
        return Needs()

    def visible_patches(self, patches: int) -> int:
        """How many of an image's patches the encoder sees: patches * (1 - mask_ratio), rounded down.

        Raises:
            UserError: none would be visible, or none hidden.
        """
        # Without the small number, 1 - 0.9 would show no patch of ten.
        visible = int(patches * (1 - self.mask_ratio) + 1e-9)
        if not 0 < visible < patches:
            raise UserError(
                f"maskRatio {self.mask_ratio} of {patches} patches leaves {visible} visible ones; "
                "change the ratio, or use a smaller patchSize or a larger resolution"
            )
        return visible

    def sample_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """FLOP per sample: forward and backward (3 x forward) of the encoder on the CLS token and the visible
        patches, of the decoder on all. Patch embedding and prediction are left out."""
        patches = (crops.global_size // vit.patch_size) ** 2
        decoder = decoder_vit(vit, self.decoder).forward_flops(1 + patches)
        return 3 * (self._encoder_flops(vit, crops) + decoder)

    def dropped_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """The encoder drops branches; the decoder has them all."""
        return self.drop_path * 3 * self._encoder_flops(vit, crops)

    def _encoder_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        return vit.forward_flops(1 + self.visible_patches((crops.global_size // vit.patch_size) ** 2))


def decoder_vit(encoder: VitConfig, decoder: DecoderConfig) -> VitConfig:
    """Shape of the decoder's blocks and position embedding: MAE's, on the encoder's grid.

    Raises:
        UserError: heads do not divide the width, or 4 does not.
    """
    return VitConfig(
        width=decoder.width,
        depth=decoder.depth,
        heads=decoder.heads,
        patch_size=encoder.patch_size,
        image_size=encoder.image_size,
        layer_scale=None,
        norm_eps=encoder.norm_eps,
        mlp="gelu",
        position="sincos",
        mask_token=False,
        linear_initial="xavier",
    )
