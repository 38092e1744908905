"""From a manifest with `objective: {mae: {}}` to the trainer's settings."""

from __future__ import annotations

from typing import Any

import pytest
from webssl_api.resolved import ResolvedRun
from webssl_trainer.config import TrainerConfig, trainer_config
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig


def configured(**changes: Any) -> TrainerConfig:
    spec: dict[str, Any] = {
        "model": {"size": "300M", "patchSize": 16, "dropPath": 0},
        "objective": {"mae": {}},
        "data": {"source": "s3://images/*.tar"},
        "schedule": {"stages": [{"resolution": 224, "samples": 8192}], "globalBatchSize": 4096},
        "optimizer": {"patchEmbedRateFactor": 1.0},
        "workers": {"min": 1, "max": 3},
        "checkpoint": {"uri": "s3://runs/mae", "interval": {"samples": 4096}},
        **changes,
    }
    run = {"name": "mae", "namespace": "default", "uid": "u", "spec": spec}
    return trainer_config(ResolvedRun.model_validate(run))


def test_the_defaults_are_the_published_recipe() -> None:
    config = configured()
    assert config.objective == MaeConfig()
    assert (config.vit.mlp, config.vit.position, config.vit.layer_scale) == ("gelu", "sincos", None)
    assert (config.vit.patch_size, config.vit.mlp_hidden) == (16, 4096)
    assert config.optim.betas == (0.9, 0.95)
    crops = config.objective.crops
    assert (crops.n_global, crops.n_local, crops.global_scale, crops.flip) == (1, 0, (0.2, 1.0), 0.5)
    assert (crops.photometric_global, crops.photometric_local) == ((), None)


def test_a_group_is_one_sample_so_any_divisor_of_the_batch_is_a_worker_count() -> None:
    schedule = {"stages": [{"resolution": 224, "samples": 30}], "globalBatchSize": 15}
    assert configured(schedule=schedule).plan.group_size == 1


def test_later_stages_change_the_size_of_the_one_crop() -> None:
    stages = [{"resolution": 224, "samples": 4096}, {"resolution": 384, "samples": 4096}]
    config = configured(schedule={"stages": stages, "globalBatchSize": 4096})
    crops = config.crops_of(1)
    assert (crops.global_size, crops.n_global, crops.n_local) == (384, 1, 0)
    assert config.vit.image_size == 224


def test_the_manifest_sets_ratio_targets_and_decoder() -> None:
    mae = {"maskRatio": 0.6, "normalisePixels": False, "decoder": {"width": 256, "depth": 4, "heads": 8}}
    config = configured(objective={"mae": mae}).objective
    assert isinstance(config, MaeConfig)
    assert (config.mask_ratio, config.normalise_pixels) == (0.6, False)
    assert config.decoder == DecoderConfig(256, 4, 8)


def test_a_stage_in_which_nothing_would_be_visible_is_refused_by_its_number() -> None:
    stages = [{"resolution": 224, "samples": 4096}, {"resolution": 16, "samples": 4096}]
    with pytest.raises(UserError, match=r"stages\[1\], spec.objective.mae: maskRatio 0.75 of 1 patches"):
        configured(schedule={"stages": stages, "globalBatchSize": 4096})
