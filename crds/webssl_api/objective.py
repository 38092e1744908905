"""`spec.objective`: exactly one of dino, mae and clip."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule

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


class MaeSpec(ApiModel):
    """Masked autoencoding: pixels of masked patches are predicted from the visible ones."""

    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Share of patches that are hidden."""


class ClipSpec(ApiModel):
    """Image-text contrast, the language-supervised control of the paper."""

    caption_extension: Annotated[str, Field(min_length=1, max_length=16)] = "txt"
    """Extension of the caption's member beside each image in the shard."""


class ObjectiveSpec(ApiModel):
    """What is optimised: exactly one of dino, mae and clip."""

    dino: DinoSpec | None = None
    """Train with the DINOv2 objective (Web-DINO)."""

    mae: MaeSpec | None = None
    """Train a masked autoencoder (Web-MAE)."""

    clip: ClipSpec | None = None
    """Train the language-supervised control (CLIP)."""

    @property
    def kind(self) -> str:
        """`dino`, `mae` or `clip`."""
        return "dino" if self.dino is not None else "mae" if self.mae is not None else "clip"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[has(self.dino), has(self.mae), has(self.clip)].filter(x, x).size() == 1",
            message="spec.objective must name exactly one of dino, mae and clip: for DINO write `objective: {dino: {}}`",
            check=lambda self: sum(x is not None for x in (self.dino, self.mae, self.clip)) == 1,
        ),
        Rule(
            cel="has(self.dino) || !(has(self.mae) || has(self.clip))",
            message="spec.objective: this release trains dino only; mae and clip are reserved in the API: use dino",
            check=lambda self: self.dino is not None or (self.mae is None and self.clip is None),
        ),
    )
