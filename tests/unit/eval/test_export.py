"""A checkpoint becomes a folder that transformers loads without a network: which checkpoint, what is in it, what is refused."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoImageProcessor, AutoModel
from webssl_eval.published.check import check_equal, features_of
from webssl_eval.published.exporting import export, grouped, write_weights
from webssl_eval.published.reading import INDEX, load, weight_files
from webssl_eval.published.source import find
from webssl_eval.published.trained import trained_of
from webssl_trainer.checkpoint.identity import identity_of, to_bytes
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey, split_address
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer
from webssl_trainer.storage import Storage

from tests.unit.eval.checkpoints import commit, drawn, spec_of

OBJECTIVES: dict[str, dict[str, Any]] = {
    "dino": {"dino": {"koleo": {"groupSize": 2}}},
    "mae": {"mae": {}},
    "clip": {"clip": {}},
}


def damage(storage: Storage, folder: str) -> None:
    url = f"{folder}/00000-00000.distcp"
    data = bytearray(storage.read(url))
    data[len(data) // 2] ^= 1
    storage.put(url, bytes(data))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_folder_computes_what_the_checkpoints_encoder_computes(
    storage: Storage, tmp_path: Path, objective: str
) -> None:
    spec = spec_of(tmp_path / "run", objective=OBJECTIVES[objective])
    vit = drawn(architecture(spec), 7)
    commit(storage, spec, vit)
    out = tmp_path / "out"
    export(storage, find(storage, spec.checkpoint.uri), out)
    assert sorted(file.name for file in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert check_equal(out, vit, 56) < 1e-5
    assert not [file for file in tmp_path.iterdir() if file.name.endswith(".part")]


def test_the_comparison_notices_other_weights(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    commit(storage, spec, drawn(architecture(spec), 7))
    export(storage, find(storage, spec.checkpoint.uri), tmp_path / "out")
    with pytest.raises(UserError, match="transformers' features differ by"):
        check_equal(tmp_path / "out", drawn(architecture(spec), 8), 56)


@pytest.mark.parametrize(
    ("objective", "size"),
    [
        ("dino", (56, 56)),
        ("dino", (300, 200)),
        ("dino", (61, 90)),
        ("dino", (40, 33)),
        ("clip", (61, 90)),
        ("mae", (56, 56)),
    ],
)
def test_the_preprocessor_makes_the_views_that_evaluation_makes(
    storage: Storage, tmp_path: Path, objective: str, size: tuple[int, int]
) -> None:
    spec = spec_of(tmp_path / "run", objective=OBJECTIVES[objective])
    commit(storage, spec, drawn(architecture(spec), 7))
    export(storage, find(storage, spec.checkpoint.uri), tmp_path / "out")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "out")
    # Smooth pictures: the two cut the centre before and after resizing, up to half a pixel apart.
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    pixels = (np.stack([x, y, x * y], axis=-1) * 255).astype(np.uint8)
    theirs = np.asarray(processor(images=Image.fromarray(pixels), return_tensors="np")["pixel_values"])[0]
    ours = evaluation_views(objective, 56)(pixels)
    assert theirs.shape == ours.shape == (3, 56, 56)
    one_level = 1 / 255 / 0.22
    apart = 0 if size[0] == size[1] else 255 / 56 + 2
    assert np.abs(theirs - ours).max() <= one_level * apart + 1e-5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_model_card_names_the_checkpoint_and_its_example_runs(
    storage: Storage, tmp_path: Path, objective: str
) -> None:
    spec = spec_of(tmp_path / "run", objective=OBJECTIVES[objective])
    vit = drawn(architecture(spec), 7)
    commit(storage, spec, vit)
    source = find(storage, spec.checkpoint.uri)
    export(storage, source, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    for fact in (source.manifest.digest, source.manifest.config_digest, "the-run", "step 4, 16 samples seen"):
        assert fact in text
    assert "| `model.size` | `tiny` |" in text
    assert "| `schedule.stages[1].resolution` | `56` |" in text
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace('folder = "."', f"folder = {str(tmp_path / 'out')!r}"), names)
    (expected,) = vit.features(names["inputs"]["pixel_values"])
    torch.testing.assert_close(names["cls"], expected.cls, rtol=0, atol=1e-5)
    torch.testing.assert_close(names["patches"], expected.patches, rtol=0, atol=1e-5)


def test_a_runs_address_means_its_newest_checkpoint_that_verifies(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    uri = spec.checkpoint.uri
    keys = [commit(storage, spec, drawn(architecture(spec), step), step=step) for step in (2, 3, 4)]
    assert find(storage, uri).folder == f"{uri}/{keys[2].path}"
    damage(storage, f"{uri}/{keys[2].path}")
    assert find(storage, uri + "/").folder == f"{uri}/{keys[1].path}"
    assert find(storage, f"{uri}/{keys[0].path}").folder == f"{uri}/{keys[0].path}"
    with pytest.raises(UserError, match=r"step-000000000004 is damaged: .*SHA-256.*name another one"):
        find(storage, f"{uri}/{keys[2].path}")


def test_an_address_without_checkpoints_is_refused(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no committed checkpoint; name the spec\.checkpoint\.uri"):
        find(storage, (tmp_path / "nothing").as_uri())


@settings(deadline=None)
@given(
    run=st.sampled_from(["s3://bucket/run", "file:///a/checkpoints/b", "s3://b/checkpoints"]),
    number=st.integers(1, 99_999_999),
    nonce=st.text("0123456789abcdef", min_size=8, max_size=32),
    step=st.integers(0, 10**12 - 1),
    slash=st.booleans(),
)
def test_an_address_is_split_into_run_and_checkpoint(
    run: str, number: int, nonce: str, step: int, slash: bool
) -> None:
    key = FolderKey(AttemptKey(number, nonce), step)
    assert split_address(run + "/" * slash) == (run, None)
    assert split_address(f"{run}/{key.path}" + "/" * slash) == (run, key)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_checkpoint_says_which_architecture_its_encoder_has(tmp_path: Path, objective: str) -> None:
    spec = spec_of(tmp_path, objective=OBJECTIVES[objective])
    trained = trained_of(to_bytes(identity_of(spec)), "here")
    assert (trained.config, trained.objective, trained.resolution) == (architecture(spec), objective, 56)


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (b"{", "identity.json is not JSON"),
        (b"{}", "has no model.size"),
        (b'{"model.size": "S"}', "has no model.patchSize"),
        (b'{"model.size": "S", "model.patchSize": 14}', r"has no schedule.stages\[0\].resolution"),
        (
            b'{"model.size": "S", "model.patchSize": 14, "schedule.stages[0].resolution": 28}',
            "has no objective",
        ),
    ],
)
def test_a_checkpoint_that_does_not_say_what_it_is_is_refused(identity: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained_of(identity, "here")


def test_a_folder_that_holds_something_is_not_touched(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    commit(storage, spec, drawn(architecture(spec), 7))
    source = find(storage, spec.checkpoint.uri)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is not an empty folder; name a new one"):
        export(storage, source, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_resolution_that_the_patch_does_not_divide_is_refused(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    commit(storage, spec, drawn(architecture(spec), 7))
    source = find(storage, spec.checkpoint.uri)
    with pytest.raises(UserError, match="resolution 60 is not a multiple of patchSize 14; use 56 or 70"):
        export(storage, source, tmp_path / "out", 60)
    assert not (tmp_path / "out").exists()
    export(storage, source, tmp_path / "out", 70)
    assert json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())["crop_size"] == {
        "height": 70,
        "width": 70,
    }


def test_large_weights_are_split_into_files_that_transformers_joins(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    vit = drawn(architecture(spec), 7)
    commit(storage, spec, vit)
    out = tmp_path / "out"
    export(storage, find(storage, spec.checkpoint.uri), out)
    whole = load(weight_files(out))
    (out / "model.safetensors").unlink()
    write_weights(out, whole.items(), file_bytes=300_000)
    files = weight_files(out)
    assert len(files) > 2
    assert all(file.stat().st_size < 310_000 for file in files)
    assert (out / INDEX).is_file()
    images_BCHW = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs = features_of(AutoModel.from_pretrained(out).eval(), images_BCHW)
        (ours,) = vit.features(images_BCHW)
    torch.testing.assert_close(theirs[:, 0], ours.cls, rtol=0, atol=1e-5)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), most=st.integers(1, 40))
def test_files_hold_every_tensor_once_in_order_and_no_more_than_they_may(sizes: list[int], most: int) -> None:
    tensors = [(f"t{number}", torch.zeros(size, dtype=torch.uint8)) for number, size in enumerate(sizes)]
    groups = list(grouped(tensors, most))
    assert [name for group in groups for name in group] == [name for name, _ in tensors]
    for group in groups:
        assert len(group) == 1 or sum(value.numel() for value in group.values()) <= most


def test_equal_checkpoints_make_equal_weight_files(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    vit: VisionTransformer = drawn(architecture(spec), 7)
    commit(storage, spec, vit)
    digests = set()
    for name in ("a", "b"):
        export(storage, find(storage, spec.checkpoint.uri), tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1
