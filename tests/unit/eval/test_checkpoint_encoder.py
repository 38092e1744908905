"""The encoder of a checkpoint: the teacher, of the pinned digest, and nothing damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_eval.encoders.vit import random_encoder
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer

from tests.unit.eval.small_job import CPU, folder_below, run_of, save_checkpoint, trained_backbone


@pytest.fixture
def backbone() -> VisionTransformer:
    return trained_backbone()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return folder_below(tmp_path)


def test_the_teachers_backbone_is_loaded_not_the_students(storage, tmp_path, backbone, folder):
    manifest = save_checkpoint(storage, folder, backbone)
    loaded = checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, None, CPU)
    views = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = random_encoder(backbone.config, 28, 7, CPU).encode(views)
    assert torch.equal(loaded.encode(views).cls, expected.cls)
    assert torch.equal(loaded.encode(views).patches, expected.patches)
    assert loaded.encode(views).patches.shape == (2, 2, 2, 96)


def test_another_resolution_may_be_asked_for(storage, tmp_path, backbone, folder):
    manifest = save_checkpoint(storage, folder, backbone)
    loaded = checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, 56, CPU)
    assert loaded.encode(torch.zeros(1, 3, 56, 56)).patches.shape == (1, 4, 4, 96)


def test_a_checkpoint_of_another_model_is_refused_with_the_parameter(storage, tmp_path, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    run = run_of(tmp_path, model={"size": "S", "patchSize": 14})
    with pytest.raises(
        UserError, match=r"has shape \(1, 1, 96\), the run's model needs \(1, 1, 384\); spec.model"
    ):
        checkpoint_encoder(storage, folder, manifest, run.spec, None, CPU)


def test_a_checkpoint_with_another_digest_than_the_pinned_one_is_refused(storage, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    assert pinned_manifest(storage, folder, manifest.digest) == manifest
    with pytest.raises(
        UserError, match=f"has digest {manifest.digest}, but the evaluation is pinned to {'0' * 64}"
    ):
        pinned_manifest(storage, folder, "0" * 64)


def test_the_first_digits_of_a_digest_pin_and_none_take_whichever_is_there(storage, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    assert pinned_manifest(storage, folder, manifest.digest[:12]) == manifest
    assert pinned_manifest(storage, folder, "") == manifest


def test_a_folder_without_a_manifest_is_no_checkpoint(storage, folder):
    with pytest.raises(UserError, match=r"is no checkpoint: it has no manifest\.json"):
        pinned_manifest(storage, folder, "0" * 64)


def test_a_damaged_object_is_found_before_anything_of_it_is_used(storage, tmp_path, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    url = f"{folder}/{manifest.objects[-1].path}"
    data = bytearray(storage.read(url))
    data[len(data) // 2] ^= 1
    storage.put(url, bytes(data))
    with pytest.raises(UserError, match=r"is damaged: .*SHA-256.*evaluate another checkpoint"):
        checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, None, CPU)
