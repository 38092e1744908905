"""Encoders are evaluated on images that are normalised as in their training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from webssl_api import WebSSLRun
from webssl_eval.encoders.vit import VitEncoder
from webssl_trainer.configs import objective_config
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer, initialise, vit_config

from tests.manifests.valid import valid_run

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
PUBLISHED = {"dino": IMAGENET, "mae": IMAGENET, "clip": OPENAI}


@pytest.mark.parametrize("objective", PUBLISHED)
def test_training_crops_and_evaluation_views_have_the_published_moments(objective: str) -> None:
    manifest = valid_run()
    manifest["spec"]["objective"] = {objective: {}}
    crops = objective_config(WebSSLRun.parse(manifest).spec, total_steps=10).crops
    views = evaluation_views(objective, 28)
    assert (crops.mean, crops.std) == (views.mean, views.std) == PUBLISHED[objective]


@pytest.mark.parametrize("objective", PUBLISHED)
def test_an_encoder_prepares_pictures_with_its_objectives_moments(objective: str) -> None:
    vit = VisionTransformer(vit_config("tiny", patch_size=14, image_size=28))
    initialise(vit, 0)
    encoder = VitEncoder(vit, evaluation_views(objective, 28), "tiny", torch.device("cpu"))
    pixels = np.full((40, 40, 3), 51, dtype=np.uint8)
    mean, std = (np.array(values, dtype=np.float32) for values in PUBLISHED[objective])
    assert encoder.resolution == 28
    np.testing.assert_allclose(encoder.prepare(pixels)[:, 5, 5], (0.2 - mean) / std, rtol=1e-5)


def test_an_unknown_objective_has_no_views() -> None:
    with pytest.raises(UserError, match=r"spec\.objective jigsaw is unknown; use dino, mae, clip"):
        evaluation_views("jigsaw", 224)
