"""`spec.objective.dino`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webssl_api.base import ApiModel

UnitInterval = Annotated[float, Field(ge=0, le=1)]


class HeadSpec(ApiModel):
    """A projection head: three linear layers and a weight-normed prototype layer."""

    hidden_dim: Annotated[int, Field(ge=8, le=65536)] = 2048
    """Width of the two hidden layers."""

    bottleneck_dim: Annotated[int, Field(ge=4, le=8192)] = 384
    """Width in front of the prototypes."""

    prototypes: Annotated[int, Field(ge=16, le=1048576)] = 131072
    """Number of prototypes (output dimensions)."""


class PatchHeadSpec(HeadSpec):
    """The head of the patch-level loss; its bottleneck is narrower."""

    bottleneck_dim: Annotated[int, Field(ge=4, le=8192)] = 256
    """Width in front of the prototypes."""


class KoLeoSpec(ApiModel):
    """The KoLeo regulariser, which spreads features within a group of samples."""

    weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the term in the loss."""

    group_size: Annotated[int, Field(ge=2, le=512)] = 16
    """Samples that are compared with each other; a group is never split over processes, so their number does not matter."""


class DinoSpec(ApiModel):
    """The DINOv2 objective: self-distillation on crops (DINO), on masked patches (iBOT), and KoLeo."""

    dino_head: HeadSpec = Field(default_factory=HeadSpec)
    """Head of the image-level loss."""

    ibot_head: PatchHeadSpec = Field(default_factory=PatchHeadSpec)
    """Head of the patch-level loss."""

    local_crops: Annotated[int, Field(ge=0, le=16)] = 8
    """Number of small crops per sample, beside the two global ones."""

    student_temperature: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Softmax temperature of the student."""

    teacher_temperature: Annotated[float, Field(gt=0, le=1)] = 0.07
    """Softmax temperature of the teacher after its warm-up from 0.04."""

    teacher_warmup_fraction: UnitInterval = 0.06
    """Share of the run over which the teacher's temperature grows."""

    freeze_last_layer_fraction: UnitInterval = 0.002
    """Share of the run in which the prototype layers do not move."""

    ema_start: UnitInterval = 0.994
    """Momentum of the teacher at the start; it grows to 1 along a cosine."""

    ibot_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the masked-patch loss."""

    koleo: KoLeoSpec = Field(default_factory=KoLeoSpec)
    """The KoLeo regulariser."""
