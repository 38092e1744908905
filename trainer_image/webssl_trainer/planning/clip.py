"""Image-text contrast of `objectives.clip`, for the planner.

Shape letters: N samples, G those of the global batch, E width of the text tower and of the shared embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.clip.config import ClipConfig, TextConfig
from webssl_trainer.planning import transformer
from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import Activations, Collective, Networks, SampleFlops, Share, Unit

_VOCABULARY = {"bytes": 258, "clip": 49408}
_LOSSES = {"infonce": 2, "siglip": 1}
"""Matrices of logits that a loss makes."""


class ClipPlan:
    """See `quantities.ObjectivePlan`. A tokenizer from a file is planned with CLIP's vocabulary."""

    def networks(self, vit: VitConfig, config: ClipConfig) -> Networks:
        """Blocks of both towers, the rest. The mask token is not trained."""
        *blocks, around = transformer.units(replace(vit, mask_token=False))
        text, width = config.text, config.text.width
        block = Unit("text", 12 * width**2 + 13 * width, 12 * width**2)
        projections = vit.width * width + width * width
        vocabulary = _VOCABULARY.get(config.tokenizer, _VOCABULARY["clip"])
        embeddings = (vocabulary + text.context) * width
        temperature = 2 if config.loss == "siglip" else 1
        root = Unit(
            "root",
            around.parameters + projections + embeddings + 2 * width + temperature,
            around.matrices + projections,
        )
        return Networks(
            trained=(*blocks, *(replace(block, name=f"text.{i}") for i in range(text.depth)), root)
        )

    def activations(
        self, vit: VitConfig, config: ClipConfig, crops: CropSpec, share: Share, precision: Precision
    ) -> Activations:
        """Captions as long as the context. With several micro-batches the contrast comes before any graph."""
        n, text = share.micro, config.text
        tokens = n * transformer.sequence(vit, crops.global_size)
        pixels = transformer.pixels(n, crops.global_size)
        saved = (
            transformer.saved_by_blocks(vit, tokens, precision, config.drop_path)
            + transformer.saved_by_norm(vit.width, tokens, precision)
            # The projection reads the CLS tokens as a view of all tokens, unless autocast copies them.
            + precision.compute * vit.width * (n if precision.copies else tokens)
            + _saved_by_text(text, n, precision)
            + 5 * STORED * 2 * n * text.width
            + precision.compute * pixels  # what the patch embedding reads
        )
        contrast = _contrast(config, share)
        block = max(
            transformer.passing_in_block(vit, tokens, precision),
            n * text.context * (12 * precision.compute + 3 * precision.residual) * text.width,
        )
        frozen = STORED * pixels + transformer.passing_in_frozen_block(vit, tokens, precision)
        features = 2 * STORED * share.step * text.width
        several = share.micro_batches > 1
        return Activations(
            inputs=transformer.pixels(share.step, crops.global_size),  # bytes
            held=2 * features if several else 0,
            before=features + max(contrast, frozen) if several else 0,
            saved=saved,
            passing=block if several else max(contrast, block),
            last=transformer.last_in_backward(vit, tokens, precision, config.drop_path),
        )

    def sample_flops(self, vit: VitConfig, config: ClipConfig, crops: CropSpec) -> SampleFlops:
        """Without the logits, and without the second forward pass of several micro-batches."""
        width = config.text.width
        pixels_in = transformer.patch_flops(vit, crops.global_size)
        towers = vit.forward_flops(transformer.sequence(vit, crops.global_size)) + config.text.forward_flops
        forward = pixels_in + towers + 2.0 * width * (vit.width + width)
        return SampleFlops(forward=forward, backward=2 * forward - pixels_in, frozen=0.0)

    def collectives(self, config: ClipConfig, share: Share) -> Sequence[Collective]:
        """Features of all pairs to every process, and their gradients back."""
        features = STORED * share.step * share.world * config.text.width
        return (
            Collective("all-gather", "features", features, 2),
            Collective("reduce-scatter", "gradients of features", features, 2),
        )

    def regrouped(self, config: ClipConfig, size: int) -> None:
        """The whole batch is compared, not groups."""
        del config, size


def _saved_by_text(text: TextConfig, captions: int, precision: Precision) -> int:
    """Per token: norms and what follows them, q, k, v and attention's output, and the MLP's hidden layer, its sigmoid
    and their product."""
    tokens, width = captions * text.context, text.width
    per_token = precision.compute * (2 * width + 4 * width + 12 * width) + STORED * text.heads
    norms = 2 * transformer.saved_by_norm(width, tokens, precision)
    return text.depth * (tokens * per_token + norms)


def _contrast(config: ClipConfig, share: Share) -> int:
    """Features of the global batch and their gradients (2 G E each), and the logits of one micro-batch's rows: each
    matrix itself, its log-probabilities and their gradient."""
    total = share.step * share.world
    logits = 3 * _LOSSES[config.loss] * share.micro * total
    return STORED * (4 * total * config.text.width + logits)
