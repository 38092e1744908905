"""transformers' `Dinov2Model` and `ViTModel` and this project's transformer compute the same features from the same
weights, both ways, at any size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModel, Dinov2Config, Dinov2Model, PreTrainedModel, ViTConfig, ViTModel
from webssl_eval.published.check import features_of
from webssl_eval.published.exporting import write_weights
from webssl_eval.published.families import DINOV2, FAMILIES, VIT, Family, family_of
from webssl_eval.published.reading import read_published
from webssl_trainer.errors import UserError
from webssl_trainer.model import SIZES, VisionTransformer, VitConfig, vit_config

from tests.unit.eval.checkpoints import drawn

SMALL = VitConfig(width=48, depth=3, heads=4, patch_size=7, image_size=28)
SMALL_MAE = replace(vit_config("tiny", family="mae"), width=48, depth=3, heads=4, patch_size=7, image_size=28)
CASES = {
    "small": (DINOV2, SMALL),
    "tiny": (DINOV2, vit_config("tiny", image_size=56)),
    "S": (DINOV2, vit_config("S", image_size=56)),
    "patch 16": (DINOV2, vit_config("tiny", patch_size=16, image_size=32)),
    "a width that SwiGLU rounds up": (
        DINOV2,
        VitConfig(width=40, depth=2, heads=5, patch_size=8, image_size=32),
    ),
    "GELU as in DINOv2's S, B and L": (DINOV2, replace(SMALL, mlp="gelu")),
    "MAE small": (VIT, SMALL_MAE),
    "MAE tiny": (VIT, vit_config("tiny", image_size=56, family="mae")),
    "MAE S": (VIT, vit_config("S", patch_size=16, image_size=64, family="mae")),
}
CLASSES = {"dinov2": (Dinov2Model, Dinov2Config), "vit": (ViTModel, ViTConfig)}
TOLERANCE = 1e-5


def ours(vit: VisionTransformer, images_BCHW: Tensor) -> Tensor:
    with torch.inference_mode():
        (output,) = vit.features(images_BCHW)
    return torch.cat([output.cls.unsqueeze(1), output.patches], dim=1)


def theirs(model: PreTrainedModel, images_BCHW: Tensor) -> Tensor:
    with torch.inference_mode():
        return features_of(model.eval(), images_BCHW)


def noise(rows: int, columns: int, patch: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(rows * 100 + columns)
    return torch.randn(count, 3, rows * patch, columns * patch, generator=generator)


def written(folder: Path, family: Family, vit: VisionTransformer) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(family.to_json(vit.config)))
    write_weights(folder, family.layout.publish(vit.state_dict()))
    return folder


def untrained(family: Family, config: VitConfig, **changes: Any) -> PreTrainedModel:
    model, settings = CLASSES[family.model_type]
    return model(settings(**{**family.to_json(config), **changes}))


def grids(config: VitConfig) -> list[tuple[int, int]]:
    """The stored grid, a larger one, a smaller one, and one with as many patches in another shape."""
    side = config.grid_size
    return [(side, side), (side + 3, side + 3), (side - 1, side + 2), (side // 2, side * 2)]


@pytest.mark.parametrize("name", CASES)
def test_transformers_computes_our_features_from_what_we_write(name: str, tmp_path: Path) -> None:
    family, config = CASES[name]
    vit = drawn(config, 1)
    model, report = AutoModel.from_pretrained(written(tmp_path, family, vit), output_loading_info=True)
    assert isinstance(model, CLASSES[family.model_type][0])
    assert {key for key in report["missing_keys"] if not key.startswith("pooler.")} == set()
    assert not report["unexpected_keys"]
    for rows, columns in grids(config):
        images_BCHW = noise(rows, columns, config.patch_size)
        torch.testing.assert_close(theirs(model, images_BCHW), ours(vit, images_BCHW), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "as_published", [True, False], ids=["published names", "names of transformers 5 in memory"]
)
@pytest.mark.parametrize("name", CASES)
def test_we_compute_transformers_features_from_what_it_writes(
    name: str, as_published: bool, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    model = untrained(*CASES[name], initializer_range=0.1, layerscale_value=0.7)
    model.save_pretrained(tmp_path, save_original_format=as_published)
    published = read_published(tmp_path)
    vit = VisionTransformer(published.config)
    vit.load_state_dict(published.state)
    for rows, columns in grids(vit.config):
        images_BCHW = noise(rows, columns, vit.config.patch_size)
        torch.testing.assert_close(ours(vit, images_BCHW), theirs(model, images_BCHW), rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def pairs(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[VisionTransformer, PreTrainedModel]]:
    vits = [(DINOV2, drawn(SMALL, 3)), (VIT, drawn(SMALL_MAE, 3))]
    return [
        (vit, AutoModel.from_pretrained(written(tmp_path_factory.mktemp("small"), family, vit)))
        for family, vit in vits
    ]


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_position_embeddings_are_interpolated_alike_at_any_size(
    pairs: list[tuple[VisionTransformer, PreTrainedModel]], rows: int, columns: int
) -> None:
    images_BCHW = noise(rows, columns, SMALL.patch_size, count=1)
    for vit, model in pairs:
        torch.testing.assert_close(theirs(model, images_BCHW), ours(vit, images_BCHW), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("side", [224, 518])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_every_size_has_the_parameters_of_its_class_of_transformers_and_no_others(
    family: Family, size: str, side: int
) -> None:
    config = vit_config(size, image_size=side, family=family.architecture)
    with torch.device("meta"):
        model, vit = untrained(family, config), VisionTransformer(config)
    adopted = family.layout.adopt(model.state_dict(), vit.state_dict())
    assert {name: value.shape for name, value in adopted.items()} == {
        name: value.shape for name, value in vit.state_dict().items()
    }
    theirs = {name: value.numel() for name, value in model.named_parameters() if "pooler" not in name}
    assert sum(theirs.values()) == sum(value.numel() for value in vit.parameters())


def test_a_configuration_goes_to_transformers_and_back_unchanged() -> None:
    for family, config in CASES.values():
        raw = family.to_json(config)
        assert family.from_json(raw, "config.json") == config
        assert family.from_json(CLASSES[family.model_type][1](**raw).to_dict(), "config.json") == config
        assert family_of(raw, "config.json") == family


def test_what_a_class_of_transformers_cannot_express_is_not_written() -> None:
    with pytest.raises(UserError, match="layer_scale is None, but Dinov2Model has LayerScale"):
        DINOV2.to_json(SMALL_MAE)
    with pytest.raises(UserError, match="mlp is 'swiglu', which ViTModel does not have"):
        VIT.to_json(SMALL)
