"""The masked autoencoder of `objectives.mae`, for the planner.

Shape letters: N samples, L patches, V visible and M hidden ones, P values of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.mae.config import MaeConfig, decoder_vit
from webssl_trainer.planning import transformer
from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import (
    Activations,
    Collective,
    Networks,
    SampleFlops,
    Share,
    Unit,
    parameters,
)


class MaePlan:
    """See `quantities.ObjectivePlan`."""

    def networks(self, vit: VitConfig, config: MaeConfig) -> Networks:
        """Blocks of the encoder, the whole decoder, the rest. Fixed position embeddings are left out."""
        *blocks, around = transformer.units(vit)
        shape, values = decoder_vit(vit, config.decoder), transformer.CHANNELS * vit.patch_size**2
        inner = transformer.units(shape)[: shape.depth]
        ends = vit.width * shape.width + shape.width * values
        vectors = (
            shape.width + shape.width + 2 * shape.width + values
        )  # embed's bias, mask token, norm, predict's bias
        matrices = sum(unit.matrices for unit in inner) + ends
        decoder = Unit("decoder", parameters(inner) + ends + vectors, matrices)
        return Networks(trained=(*blocks, decoder, around))

    def activations(
        self, vit: VitConfig, config: MaeConfig, crops: CropSpec, share: Share, precision: Precision
    ) -> Activations:
        """Nothing is random in number; only one micro-batch is on the device at a time."""
        n, shape = share.micro, decoder_vit(vit, config.decoder)
        patches = transformer.sequence(vit, crops.global_size) - 1
        visible = config.visible_patches(patches)
        pixels = transformer.pixels(n, crops.global_size)
        seen, rebuilt, hidden = n * (1 + visible), n * (1 + patches), n * (patches - visible)
        values = transformer.CHANNELS * vit.patch_size**2
        saved = (
            transformer.saved_by_blocks(vit, seen, precision, config.drop_path)
            + transformer.saved_by_norm(vit.width, seen, precision)
            + precision.compute * seen * vit.width
            + transformer.saved_by_blocks(shape, rebuilt, precision, 0.0)
            + transformer.saved_by_norm(shape.width, hidden, precision)
            + precision.compute * hidden * shape.width
            + 2 * STORED * hidden * values
            + precision.compute * pixels  # what the patch embedding reads
        )
        predicted = precision.compute * hidden * values if precision.halves else 0
        images = STORED * pixels if precision.halves else 0  # until the targets are cut from them
        loss = images + STORED * (pixels + 2 * hidden * values) + predicted
        return Activations(
            inputs=pixels,  # bytes
            held=0,
            before=0,
            saved=saved,
            passing=max(loss, transformer.passing_in_block(shape, rebuilt, precision)),
            last=transformer.last_in_backward(vit, seen, precision, config.drop_path),
        )

    def sample_flops(self, vit: VitConfig, config: MaeConfig, crops: CropSpec) -> SampleFlops:
        """The backward pass costs twice the forward pass, except that no gradient flows into pixels."""
        shape = decoder_vit(vit, config.decoder)
        patches = transformer.sequence(vit, crops.global_size) - 1
        visible = config.visible_patches(patches)
        pixels_in = transformer.patch_flops(vit, crops.global_size)
        values = transformer.CHANNELS * vit.patch_size**2
        ends = 2.0 * shape.width * ((1 + visible) * vit.width + (patches - visible) * values)
        forward = pixels_in + vit.forward_flops(1 + visible) + shape.forward_flops(1 + patches) + ends
        return SampleFlops(forward=forward, backward=2 * forward - pixels_in, frozen=0.0)

    def collectives(self, config: MaeConfig, share: Share) -> Sequence[Collective]:
        """None."""
        del config, share
        return ()

    def regrouped(self, config: MaeConfig, size: int) -> None:
        """Samples are not compared."""
        del config, size
