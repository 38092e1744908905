"""MFU, nominal and adjusted, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.clip import ClipConfig, TextConfig
from webssl_trainer.objectives.clip.config import clip_crops
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.observe.flops import step_flops, utilisation

# One block of width 8 with an MLP of 32: 4 x 64 + 2 x 256 = 768 multiply-adds per token, and 2 x 8 per pair of tokens.
VIT = VitConfig(width=8, depth=1, heads=1, patch_size=2, image_size=4, mlp="gelu")


def forward(tokens: int) -> int:
    return 2 * (768 * tokens + 2 * 8 * tokens * tokens)


def kinds(objective: Any, crops: CropSpec) -> dict[str, float]:
    return step_flops(objective.sample_flops(VIT, crops), objective.dropped_flops(VIT, crops))


def test_dino_drops_branches_of_the_student_in_all_crops_and_none_of_the_teacher() -> None:
    crops = CropSpec(global_size=4, local_size=2, n_global=2, n_local=3)  # 2 of 5 tokens, 3 of 2 tokens
    assert (forward(5), forward(2)) == (8480, 3200)
    student, teacher = 3 * (2 * 8480 + 3 * 3200), 2 * 8480
    found = kinds(DinoConfig(crops=crops, drop_path=0.4), crops)
    assert found == pytest.approx({"nominal": student + teacher, "adjusted": 0.6 * student + teacher})
    assert student + teacher == 96640


def test_mae_counts_no_hidden_patch_in_its_encoder_and_drops_no_branch_of_its_decoder() -> None:
    crops = mae_crops(4)  # 4 patches, of which 1 is visible: 2 tokens
    config = MaeConfig(crops=crops, decoder=DecoderConfig(width=4, depth=1, heads=1), drop_path=0.25)
    encoder = 3 * 3200
    decoder = 3 * 2 * (192 * 5 + 2 * 4 * 25)  # 4 x 16 + 2 x 64 multiply-adds per token
    found = kinds(config, crops)
    assert found == pytest.approx({"nominal": encoder + decoder, "adjusted": 0.75 * encoder + decoder})


def test_clip_drops_branches_of_images_and_none_of_captions() -> None:
    crops = clip_crops(4)
    config = ClipConfig(text=TextConfig(width=4, depth=1, heads=1, context=3), crops=crops, drop_path=0.5)
    vision, text = 3 * 8480, 3 * 2 * 3 * (12 * 16 + 3 * 4)
    found = kinds(config, crops)
    assert found == pytest.approx({"nominal": vision + text, "adjusted": 0.5 * vision + text})


def test_without_stochastic_depth_both_are_one() -> None:
    crops = CropSpec(global_size=4, local_size=2)
    found = kinds(DinoConfig(crops=crops, drop_path=0.0), crops)
    assert found["nominal"] == found["adjusted"]


def test_the_share_of_the_peak_is_arithmetic_per_second_over_it() -> None:
    assert utilisation(flops=2e9, samples_per_second=100.0, peak=8e11) == pytest.approx(0.25)
    assert utilisation(flops=2e9, samples_per_second=100.0, peak=0.0) == 0.0, "a device that is not known"
