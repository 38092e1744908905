"""Published weights become a checkpoint that evaluation and export read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model
from webssl_api import env, exit_codes
from webssl_api.resolved import ResolvedRun
from webssl_eval.__main__ import main
from webssl_eval.encoders.checkpoint import checkpoint_encoder
from webssl_eval.published.exporting import export
from webssl_eval.published.families import DINOV2, VIT, Family
from webssl_eval.published.importing import Imported, import_published
from webssl_eval.published.layout import State
from webssl_eval.published.reading import load, read_published, weight_files
from webssl_eval.published.source import find
from webssl_trainer.checkpoint.identity import check_same, identity_of
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig
from webssl_trainer.storage import Storage

from tests.unit.eval.checkpoints import commit, drawn, spec_of
from tests.unit.eval.conftest import png
from tests.unit.eval.published import TINY, TINY_MAE, plain, written

NOW = "2026-01-02T03:04:05Z"
CPU = torch.device("cpu")


def chunked(state: State) -> State:
    """The names that training in chunks of two blocks gives."""
    return {
        f"blocks.{int(name.split('.')[1]) // 2}.{name.removeprefix('blocks.')}"
        if name.startswith("blocks.")
        else name: value
        for name, value in state.items()
    }


def bring(source: Path, storage: Storage, folder: Path) -> Imported:
    return import_published(source, storage, folder.as_uri(), NOW)


@pytest.mark.parametrize(
    ("family", "config", "objective"),
    [(DINOV2, TINY, {"dino": {"koleo": {"groupSize": 2}}}), (VIT, TINY_MAE, {"mae": {}})],
)
def test_an_imported_folder_is_evaluated_like_a_runs_checkpoint(
    storage: Storage, tmp_path: Path, family: Family, config: VitConfig, objective: dict[str, Any]
) -> None:
    vit = drawn(config, 5)
    done = bring(written(tmp_path / "published", vit, family), storage, tmp_path / "run")
    items = [PackItem(c, png(c), "png", label=n) for n, c in enumerate(["red", "green", "blue"])]
    pack(items, storage, (tmp_path / "labelled").as_uri())
    labelled = f"{(tmp_path / 'labelled').as_uri()}/*.tar"
    suites = {"suites": [{"knn": {"train": labelled, "test": labelled, "k": 1}}]}
    spec = spec_of(tmp_path / "run", objective=objective, evaluation=suites)
    run = ResolvedRun(name="run", namespace="ns", uid="u", spec=spec)
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    environment = {
        env.RUN_FILE: str(tmp_path / "run.yaml"),
        env.SUITE: "knn",
        env.CHECKPOINT_URI: done.folder,
        env.CHECKPOINT_DIGEST: done.manifest.digest,
        env.REPORT: (tmp_path / "knn.json").as_uri(),
        "TMPDIR": str(tmp_path / "scratch"),
    }
    assert main(environment) == exit_codes.COMPLETE
    views = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    encoder = checkpoint_encoder(storage, done.folder, done.manifest, spec, 28, CPU)
    (expected,) = vit.features(views)
    assert torch.equal(encoder.encode(views).cls, expected.cls)


def test_a_folder_without_a_mask_token_is_evaluated_too(storage: Storage, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(**{**DINOV2.to_json(TINY), "use_mask_token": False})
    Dinov2Model(config).save_pretrained(tmp_path / "published")
    done = bring(tmp_path / "published", storage, tmp_path / "run")
    encoder = checkpoint_encoder(storage, done.folder, done.manifest, spec_of(tmp_path / "run"), 28, CPU)
    assert encoder.encode(torch.zeros(1, 3, 28, 28)).patches.shape == (1, 2, 2, 96)


@pytest.mark.parametrize(("family", "config"), [(DINOV2, TINY), (VIT, TINY_MAE)])
def test_what_is_imported_and_exported_again_is_equal_bit_by_bit(
    storage: Storage, tmp_path: Path, family: Family, config: VitConfig
) -> None:
    published = written(tmp_path / "published", drawn(config, 5), family)
    done = bring(published, storage, tmp_path / "run")
    export(storage, find(storage, (tmp_path / "run").as_uri()), tmp_path / "again")
    before, after = load(weight_files(published)), load(weight_files(tmp_path / "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert done.size == "tiny"
    assert (tmp_path / "again" / "config.json").read_text().split() == json.dumps(
        json.loads((published / "config.json").read_text()), indent=2
    ).split()


def test_importing_twice_leaves_one_checkpoint_and_another_ones_place_is_refused(
    storage: Storage, tmp_path: Path
) -> None:
    published = written(tmp_path / "published", drawn(TINY, 5))
    first, second = (bring(published, storage, tmp_path / "run") for _ in range(2))
    assert first == second
    other = written(tmp_path / "other", drawn(TINY, 6))
    with pytest.raises(
        UserError, match=r"holds checkpoints/attempt-00000001-.* already; name a folder without"
    ):
        bring(other, storage, tmp_path / "run")


def test_a_run_does_not_go_on_from_an_imported_checkpoint(storage: Storage, tmp_path: Path) -> None:
    done = bring(written(tmp_path / "published", drawn(TINY, 5)), storage, tmp_path / "run")
    identity = storage.read(f"{done.folder}/identity.json")
    with pytest.raises(
        UserError, match=r"was trained with None: .*give this run another spec\.checkpoint\.uri"
    ):
        check_same(identity, identity_of(spec_of(tmp_path / "run")), done.folder)


Wrap = Callable[[State], Any]
ORIGINALS: dict[str, tuple[VitConfig, Wrap]] = {
    "DINOv2, plain": (TINY, lambda state: state),
    "DINOv2, a training checkpoint": (
        TINY,
        lambda state: {
            "teacher": {f"backbone.{name}": value for name, value in chunked(state).items()}
            | {"dino_head.last_layer.weight": torch.zeros(3)}
        },
    ),
    "DINOv2, saved from DDP": (
        TINY,
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}, "epoch": 3},
    ),
    "DINOv2 without a mask token": (
        TINY,
        lambda state: {name: value for name, value in state.items() if name != "mask_token"},
    ),
    "MAE with its decoder": (
        TINY_MAE,
        lambda state: {
            "model": {**state, "mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(3)}
        },
    ),
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_files_of_the_original_code_are_read_in_every_wrapping(
    storage: Storage, tmp_path: Path, name: str
) -> None:
    config, wrap = ORIGINALS[name]
    vit = drawn(config, 5)
    torch.save(wrap(plain(vit)), tmp_path / "weights.pth")
    for source in (tmp_path / "weights.pth", tmp_path):
        published = read_published(source)
        assert published.config == config
        expected = plain(vit)
        if name == "DINOv2 without a mask token":
            expected["mask_token"].zero_()
        assert published.state.keys() == expected.keys()
        assert all(torch.equal(published.state[key], expected[key]) for key in expected)
    bring(tmp_path / "weights.pth", storage, tmp_path / "run")
    export(storage, find(storage, (tmp_path / "run").as_uri()), tmp_path / "out")


def test_half_precision_weights_become_fp32(tmp_path: Path) -> None:
    state = {name: value.bfloat16() for name, value in plain(drawn(TINY, 5)).items()}
    save_file(state, tmp_path / "weights.safetensors")
    read = read_published(tmp_path).state
    assert {value.dtype for value in read.values()} == {torch.float32}
    assert all(torch.equal(read[name], state[name].float()) for name in state)


def test_a_checkpoint_of_a_run_is_not_overwritten_by_an_import(storage: Storage, tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    commit(storage, spec, drawn(TINY, 7))
    with pytest.raises(UserError, match="already; name a folder without checkpoints"):
        bring(written(tmp_path / "published", drawn(TINY, 5)), storage, tmp_path / "run")
