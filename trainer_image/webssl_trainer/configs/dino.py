"""`spec.objective.dino` in the trainer's terms."""

from __future__ import annotations

from webssl_api.objective_dino import DinoSpec, HeadSpec
from webssl_api.run import WebSSLRunSpec

from webssl_trainer.data import CropSpec
from webssl_trainer.objectives.dino import DinoConfig, HeadConfig


def dino_config(spec: WebSSLRunSpec, dino: DinoSpec, total_steps: int) -> DinoConfig:
    """The DINO objective of a run of `total_steps` optimizer steps."""
    first = spec.schedule.stages[0]
    return DinoConfig(
        crops=CropSpec(
            global_size=first.resolution,
            local_size=first.local_side(spec.model.patch_size),
            n_local=dino.local_crops,
        ),
        dino_head=_head(dino.dino_head),
        ibot_head=_head(dino.ibot_head),
        drop_path=spec.model.drop_path,
        student_temperature=dino.student_temperature,
        teacher_temperature=dino.teacher_temperature,
        teacher_warmup_fraction=dino.teacher_warmup_fraction,
        ibot_weight=dino.ibot_weight,
        koleo_weight=dino.koleo.weight,
        group_size=dino.koleo.group_size,
        ema_start=dino.ema_start,
        patch_embed_lr_multiplier=spec.optimizer.patch_embed_rate_factor,
        freeze_last_layer_steps=round(dino.freeze_last_layer_fraction * total_steps),
    )


def _head(head: HeadSpec) -> HeadConfig:
    return HeadConfig(head.hidden_dim, head.bottleneck_dim, head.prototypes)
