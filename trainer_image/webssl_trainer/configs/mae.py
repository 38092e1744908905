"""`spec.objective.mae` in the trainer's terms."""

from __future__ import annotations

from webssl_api.objective_mae import MaeSpec
from webssl_api.run import WebSSLRunSpec

from webssl_trainer.errors import UserError
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig
from webssl_trainer.objectives.mae.config import mae_crops


def mae_config(spec: WebSSLRunSpec, mae: MaeSpec) -> MaeConfig:
    """The MAE objective of a run.

    Raises:
        UserError: in some stage no patch would be visible, or none hidden.
    """
    config = MaeConfig(
        crops=mae_crops(spec.schedule.stages[0].resolution),
        mask_ratio=mae.mask_ratio,
        normalise_pixels=mae.normalise_pixels,
        decoder=DecoderConfig(mae.decoder.width, mae.decoder.depth, mae.decoder.heads),
        drop_path=spec.model.drop_path,
        patch_embed_lr_multiplier=spec.optimizer.patch_embed_rate_factor,
    )
    for number, stage in enumerate(spec.schedule.stages):
        try:
            config.visible_patches((stage.resolution // spec.model.patch_size) ** 2)
        except UserError as error:
            raise UserError(f"spec.schedule.stages[{number}], spec.objective.mae: {error}") from error
    return config
