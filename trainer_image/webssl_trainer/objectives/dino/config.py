"""Settings of the DINOv2 objective."""

from __future__ import annotations

from dataclasses import dataclass, field

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.interface import Needs
from webssl_trainer.optim.schedules import cosine, warmup


@dataclass(frozen=True)
class HeadConfig:
    """A projection head: two hidden layers, a bottleneck, and prototypes of unit length."""

    hidden_dim: int = 2048
    bottleneck_dim: int = 384
    prototypes: int = 131072


@dataclass(frozen=True)
class MaskConfig:
    """Masks of iBOT: the share of masked crops and, in them, the bounds of the share of masked patches."""

    probability: float = 0.5
    ratio: tuple[float, float] = (0.1, 0.5)


@dataclass(frozen=True)
class DinoConfig:
    """DINO + iBOT + KoLeo. Defaults: the ViT-g/14 configuration of DINOv2, which Web-DINO follows.

    group_size: consecutive positions that KoLeo compares with each other.
    teacher_warmup_fraction: share of the run in which the teacher's temperature grows to its final value
        (30 of 500 epochs).
    freeze_last_layer_steps: steps in which the prototypes do not move (DINOv2: the first epoch).
    """

    crops: CropSpec = field(default_factory=CropSpec)
    masks: MaskConfig = field(default_factory=MaskConfig)
    dino_head: HeadConfig = field(default_factory=HeadConfig)
    ibot_head: HeadConfig = field(default_factory=lambda: HeadConfig(bottleneck_dim=256))
    drop_path: float = 0.4
    student_temperature: float = 0.1
    teacher_temperature_start: float = 0.04
    teacher_temperature: float = 0.07
    teacher_warmup_fraction: float = 0.06
    sinkhorn_iterations: int = 3
    ibot_weight: float = 1.0
    koleo_weight: float = 0.1
    group_size: int = 16
    ema_start: float = 0.994
    ema_end: float = 1.0
    patch_embed_lr_multiplier: float = 0.2
    freeze_last_layer_steps: int = 0

    def __post_init__(self) -> None:
        if self.crops.n_global != 2:
            raise UserError(f"crops.n_global {self.crops.n_global}: DINO pairs 2 global crops; use 2")
        if self.koleo_weight > 0 and self.group_size < 2:
            raise UserError(
                f"koleo.groupSize {self.group_size}: KoLeo compares samples within a group; use 2 or more, "
                "or koleo.weight 0"
            )

    @property
    def needs(self) -> Needs:
        """Pixels alone."""
        return Needs()

    def ema(self, step: int, total_steps: int) -> float:
        """Momentum of the teacher at a step: a cosine from ema_start to ema_end."""
        return cosine(step, total_steps, self.ema_start, self.ema_end)

    def temperature(self, step: int, total_steps: int) -> float:
        """Temperature of the teacher at a step: a line over the warmup, then constant."""
        steps = round(self.teacher_warmup_fraction * total_steps)
        return warmup(step, steps, self.teacher_temperature_start, self.teacher_temperature)

    def sample_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """FLOP per sample: the student's forward and backward (3 x forward) on all crops, the teacher's forward
        on the global ones. Heads are left out, so a ratio to the peak is a lower bound."""
        large, small = self._forward_flops(vit, crops)
        return 3 * (large + small) + large

    def dropped_flops(self, vit: VitConfig, crops: CropSpec) -> float:
        """The student drops branches, in all its crops; the teacher has them all."""
        return self.drop_path * 3 * sum(self._forward_flops(vit, crops))

    def _forward_flops(self, vit: VitConfig, crops: CropSpec) -> tuple[float, float]:
        """Of a sample's global and of its local crops."""
        global_tokens = (crops.global_size // vit.patch_size) ** 2 + 1
        local_tokens = (crops.local_size // vit.patch_size) ** 2 + 1
        return crops.n_global * vit.forward_flops(global_tokens), crops.n_local * vit.forward_flops(
            local_tokens
        )
