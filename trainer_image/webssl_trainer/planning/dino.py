"""The DINOv2 objective of `objectives.dino`, for the planner.

Shape letters: N samples, C local crops, K prototypes, M masked patches, L patches of a global crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.dino.config import DinoConfig, HeadConfig, MaskConfig
from webssl_trainer.planning import transformer
from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import Activations, Collective, Networks, SampleFlops, Share, Unit

_DEVIATIONS = 4.0
"""A run draws masks millions of times: memory is planned for a sum this many standard deviations above its mean."""


@dataclass(frozen=True)
class Rows:
    """What the heads see of some samples: CLS tokens of global and local crops, and masked patches."""

    samples: int
    globals: int
    locals: int
    patches: int

    @property
    def cls(self) -> int:
        """CLS tokens of all crops."""
        return self.globals + self.locals


def rows(samples: int, patches: int, crops: CropSpec) -> Rows:
    """Rows of `samples` samples with `patches` masked patches among them."""
    return Rows(samples, crops.n_global * samples, crops.n_local * samples, patches)


def mean_masked_share(masks: MaskConfig) -> float:
    """Expected share of masked patches over all global crops; the ratio of a masked crop is uniform."""
    low, high = masks.ratio
    return masks.probability * (low + high) / 2


def most_masked(masks: MaskConfig, crops: int, patches: int) -> int:
    """Masked patches that so many crops of `patches` patches will hardly ever exceed."""
    low, high = masks.ratio
    mean = mean_masked_share(masks)
    square = masks.probability * (low**2 + low * high + high**2) / 3
    spread = math.sqrt(max(square - mean**2, 0.0) * crops)
    return math.ceil(min(mean * crops + _DEVIATIONS * spread, crops * high) * patches)


class DinoPlan:
    """See `quantities.ObjectivePlan`."""

    def networks(self, vit: VitConfig, config: DinoConfig) -> Networks:
        """Student and teacher alike: blocks, both heads, the rest."""
        *blocks, around = transformer.units(vit)
        heads = (
            _head(vit, config.dino_head, "dino_head"),
            _head(vit, config.ibot_head, "ibot_head"),
        )
        units = (*blocks, *heads, around)
        return Networks(trained=units, frozen=units)

    def activations(
        self, vit: VitConfig, config: DinoConfig, crops: CropSpec, share: Share, precision: Precision
    ) -> Activations:
        """Masks at the top of what a run will draw."""
        patches = transformer.sequence(vit, crops.global_size) - 1
        micro, step = (
            rows(n, most_masked(config.masks, crops.n_global * n, patches), crops)
            for n in (share.micro, share.step)
        )
        return activations_of(vit, config, crops, micro, step, precision)

    def sample_flops(self, vit: VitConfig, config: DinoConfig, crops: CropSpec) -> SampleFlops:
        """The backward pass costs twice the forward pass, except that no gradient flows into pixels."""
        patches = transformer.sequence(vit, crops.global_size) - 1
        masked = mean_masked_share(config.masks) * patches * crops.n_global
        return flops_of(vit, config, crops, masked)

    def collectives(self, config: DinoConfig, share: Share) -> Sequence[Collective]:
        """Sinkhorn-Knopp sums one vector per iteration and head. KoLeo stays within a group: nothing to exchange."""
        del share
        return tuple(
            Collective(
                "all-reduce", f"Sinkhorn-Knopp, {name}", STORED * head.prototypes, config.sinkhorn_iterations
            )
            for name, head in (("image head", config.dino_head), ("patch head", config.ibot_head))
        )

    def regrouped(self, config: DinoConfig, size: int) -> tuple[str, DinoConfig]:
        """KoLeo's groups."""
        return "spec.objective.dino.koleo.groupSize", replace(config, group_size=size)


def activations_of(
    vit: VitConfig, config: DinoConfig, crops: CropSpec, micro: Rows, step: Rows, precision: Precision
) -> Activations:
    """Activations of given rows: those of one micro-batch, and those of all micro-batches of the step."""
    globals_, locals_ = (transformer.sequence(vit, side) for side in (crops.global_size, crops.local_size))
    tokens = micro.globals * globals_ + micro.locals * locals_
    pixels, bytes_ = _pixels(micro, crops), _pixels(step, crops)
    global_pixels = STORED * transformer.pixels(micro.globals, crops.global_size)
    alone = micro.samples == step.samples
    saved = (
        transformer.saved_by_blocks(vit, tokens, precision, config.drop_path)
        + transformer.saved_by_norm(vit.width, tokens, precision)
        + precision.compute * pixels  # what the patch embedding reads
        + _saved_by_head(vit, config.dino_head, micro.cls, precision)
        + _saved_by_head(vit, config.ibot_head, micro.patches, precision)
        + _saved_by_losses(vit, config, micro)
    )
    logits = precision.compute * _logits(config, micro)
    stream = micro.globals * globals_
    return Activations(
        inputs=bytes_,
        held=STORED * _targets(config, step),
        before=max(
            # A single micro-batch keeps the pixels that the teacher read for the student.
            _sinkhorn(config, step, micro, precision) + (global_pixels if alone else 0),
            precision.compute * _targets(config, step)
            + global_pixels
            + max(
                transformer.passing_in_frozen_block(vit, stream, precision),
                _frozen_head(config.dino_head, precision),
                _frozen_head(config.ibot_head, precision),
            ),
        ),
        saved=saved,
        passing=logits
        + max(
            _passing_in_losses(config, micro, precision),
            _passing_in_head(config.dino_head, micro.cls, precision),
            _passing_in_head(config.ibot_head, micro.patches, precision),
            transformer.passing_in_block(vit, tokens, precision),
        ),
        last=transformer.last_in_backward(vit, tokens, precision, config.drop_path),
    )


def _pixels(of: Rows, crops: CropSpec) -> int:
    """Numbers in all crops; in the loader's, each is a byte."""
    return transformer.pixels(of.globals, crops.global_size) + transformer.pixels(of.locals, crops.local_size)


def flops_of(vit: VitConfig, config: DinoConfig, crops: CropSpec, masked: float) -> SampleFlops:
    """FLOP per sample of which `masked` patches are masked."""
    large, small = crops.global_size, crops.local_size
    pixels_in = crops.n_global * transformer.patch_flops(vit, large)
    globals_ = pixels_in + crops.n_global * vit.forward_flops(transformer.sequence(vit, large))
    pixels_in += crops.n_local * transformer.patch_flops(vit, small)
    locals_ = crops.n_local * (
        transformer.patch_flops(vit, small) + vit.forward_flops(transformer.sequence(vit, small))
    )
    dino, ibot = _head_flops(vit, config.dino_head), _head_flops(vit, config.ibot_head)
    forward = globals_ + locals_ + (crops.n_global + crops.n_local) * dino + masked * ibot
    return SampleFlops(
        forward=forward,
        backward=2 * forward - pixels_in,
        frozen=globals_ + crops.n_global * dino + masked * ibot,
    )


def _head(vit: VitConfig, head: HeadConfig, name: str) -> Unit:
    hidden, bottleneck = head.hidden_dim, head.bottleneck_dim
    linear = vit.width * hidden + hidden * hidden + hidden * bottleneck
    return Unit(name, linear + 2 * hidden + bottleneck + head.prototypes * bottleneck, linear)


def _head_flops(vit: VitConfig, head: HeadConfig) -> float:
    """FLOP of one row's forward pass."""
    hidden, bottleneck = head.hidden_dim, head.bottleneck_dim
    return 2.0 * (vit.width * hidden + hidden**2 + hidden * bottleneck + bottleneck * head.prototypes)


def _saved_by_head(vit: VitConfig, head: HeadConfig, count: int, precision: Precision) -> int:
    """Inputs of the linear layers and GELUs, both sides of the normalisation, and the prototypes at unit length."""
    per_row = precision.compute * (vit.width + 4 * head.hidden_dim + 2 * head.bottleneck_dim)
    return count * per_row + precision.compute * head.prototypes * head.bottleneck_dim


def _saved_by_losses(vit: VitConfig, config: DinoConfig, micro: Rows) -> int:
    """Log-probabilities of the student; targets of the global crops exchanged and, for local crops, added; KoLeo."""
    both = micro.samples if micro.locals else 0
    image = config.dino_head.prototypes * (micro.cls + micro.globals + both)
    patch = config.ibot_head.prototypes * micro.patches
    koleo = 5 * micro.globals * vit.width if config.koleo_weight > 0 else 0
    return STORED * (image + patch + koleo)


def _logits(config: DinoConfig, micro: Rows) -> int:
    """Numbers in the student's logits, which live until the backward pass is over."""
    return config.dino_head.prototypes * micro.cls + config.ibot_head.prototypes * micro.patches


def _targets(config: DinoConfig, step: Rows) -> int:
    """Numbers in the teacher's assignments."""
    return config.dino_head.prototypes * step.globals + config.ibot_head.prototypes * step.patches


def _passing_in_losses(config: DinoConfig, micro: Rows, precision: Precision) -> int:
    """Copies of the logits in fp32, and the products with the targets or, in the backward pass, two gradients."""
    image, patch = config.dino_head.prototypes, config.ibot_head.prototypes
    copies = image * micro.cls + patch * micro.patches if precision.halves else 0
    product = max(patch * micro.patches, image * micro.locals)
    return STORED * max(copies + product, 2 * product)


def _passing_in_head(head: HeadConfig, count: int, precision: Precision) -> int:
    """Four matrices of the prototypes' size in the backward pass of their normalisation, when the head's
    log-probabilities are gone."""
    return max(0, head.prototypes * (4 * precision.residual * head.bottleneck_dim - STORED * count))


def _frozen_head(head: HeadConfig, precision: Precision) -> int:
    """A head without autograd: prototypes at unit length and copies of what its products read."""
    prototypes = head.prototypes * head.bottleneck_dim * precision.residual
    copied = precision.compute * (head.prototypes * head.bottleneck_dim + head.hidden_dim**2)
    return prototypes + (copied if precision.copies else 0)


def _sinkhorn(config: DinoConfig, step: Rows, micro: Rows, precision: Precision) -> int:
    """Logits of the step, and of one head the scaled logits, their exponentials and the assignments."""
    image = config.dino_head.prototypes * step.globals
    patch = config.ibot_head.prototypes * step.patches
    logits = precision.compute * (image + patch)
    extra_image = config.dino_head.prototypes * micro.globals
    extra_patch = config.ibot_head.prototypes * micro.patches
    return logits + STORED * max(3 * image + extra_image, image + 3 * patch + extra_patch)
