"""From `spec.objective.clip` to towers, tokens and crops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from webssl_api.resolved import ResolvedRun
from webssl_api.run import WebSSLRun
from webssl_trainer.config import trainer_config
from webssl_trainer.objectives.clip import ClipConfig, TextConfig, text_tower
from webssl_trainer.objectives.clip.text import TextTower

from tests.manifests.valid import valid_run

VOCABULARY = 49408


def config(size: str, **clip: Any) -> ClipConfig:
    run = valid_run()
    run["spec"]["objective"] = {"clip": clip}
    run["spec"]["model"]["size"] = size
    found = trainer_config(ResolvedRun.of(WebSSLRun.parse(run))).objective
    assert isinstance(found, ClipConfig)
    return found


@pytest.mark.parametrize(
    ("size", "millions"),
    [("B", 63.43), ("300M", 123.65), ("700M", 354.03), ("1B", 694.66), ("7B", 694.66)],
    ids=["as ViT-B", "as ViT-L", "as ViT-H", "as ViT-bigG", "7B too"],
)
def test_text_towers_have_the_published_numbers_of_parameters(size: str, millions: float) -> None:
    with torch.device("meta"):
        tower = TextTower(text_tower(size), VOCABULARY)
    width = text_tower(size).width
    parameters = sum(p.numel() for p in tower.parameters()) + width**2  # and the projection
    assert parameters / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(
    ("size", "tokenizer"), [("tiny", "bytes"), ("S", "bytes"), ("B", "clip"), ("7B", "clip")]
)
def test_sizes_from_b_on_read_clip_s_tokens(size: str, tokenizer: str) -> None:
    assert config(size).tokenizer == tokenizer
    assert config(size).needs.files == ()


def test_the_manifest_may_choose_otherwise() -> None:
    chosen = config(
        "tiny",
        tokenizer="s3://bucket/t.json",
        captionExtension="caption",
        contextLength=32,
        loss="siglip",
        textTower={"width": 64, "depth": 2, "heads": 4},
    )
    assert chosen.text == TextConfig(64, 2, 4, 32)
    assert chosen.loss == "siglip"
    assert chosen.needs.files == ("s3://bucket/t.json",)
    assert chosen.needs.members == {"caption": "spec.objective.clip.captionExtension"}


def test_images_are_cut_but_neither_mirrored_nor_recoloured() -> None:
    crops = config("tiny").crops
    assert (crops.n_global, crops.n_local, crops.global_scale, crops.flip) == (1, 0, (0.9, 1.0), 0.0)
    assert (crops.photometric_global, crops.photometric_local) == ((), None)


def test_flops_count_both_towers_forward_and_backward() -> None:
    run = valid_run()
    run["spec"]["objective"] = {
        "clip": {"textTower": {"width": 10, "depth": 2, "heads": 1}, "contextLength": 4}
    }
    parsed = trainer_config(ResolvedRun.of(WebSSLRun.parse(run)))
    crops = parsed.crops_of(0)
    patches = (crops.global_size // parsed.vit.patch_size) ** 2
    multiply_adds = 2 * (
        4 * 12 * 10 * 10 + 4 * 4 * 10
    )  # blocks x (matrices of 4 tokens + causal scores and sums)
    text = 2 * multiply_adds
    vision = parsed.vit.forward_flops(1 + patches)
    assert parsed.objective.sample_flops(parsed.vit, crops) == pytest.approx(3 * (vision + text))
