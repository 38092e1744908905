"""Which vision transformer a run trains; the evaluation builds the same one."""

from __future__ import annotations

from webssl_api.run import WebSSLRunSpec

from webssl_trainer.model import VitConfig, vit_config


def architecture(spec: WebSSLRunSpec) -> VitConfig:
    """Shape of the run's encoder. Details that the size leaves open follow the objective's reference code."""
    return vit_config(
        spec.model.size.value,
        patch_size=spec.model.patch_size,
        image_size=spec.schedule.stages[0].resolution,
        family="mae" if spec.objective.mae is not None else "dinov2",
    )
