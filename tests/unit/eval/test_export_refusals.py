"""Weights of another architecture, or damaged ones, are refused with the field or tensor, its value and the mend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_eval.published.families import DINOV2
from webssl_eval.published.importing import import_published
from webssl_eval.published.layout import State
from webssl_eval.published.reading import read_published
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer
from webssl_trainer.storage import Storage

from tests.unit.eval.checkpoints import drawn
from tests.unit.eval.published import TINY, plain, written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; only dinov2, vit can be imported"),
        ({"model_type": "dinov2_with_registers"}, "model_type is 'dinov2_with_registers'; only"),
        ({"mlp_ratio": 3}, "mlp_ratio is 3, only 4 can be imported: the MLP here has"),
        ({"qkv_bias": False}, "qkv_bias is False, only True can be imported: every linear layer"),
        ({"num_channels": 1}, "num_channels is 1, only 3 can be imported: images are RGB"),
        ({"use_swiglu_ffn": False, "hidden_act": "relu"}, "hidden_act is 'relu', only 'gelu'"),
        ({"use_swiglu_ffn": "yes"}, "use_swiglu_ffn is 'yes'; write true or false"),
        ({"hidden_size": "big"}, "hidden_size is 'big'; write a positive whole number"),
        ({"patch_size": [14, 16]}, r"patch_size is \[14, 16\]; only square ones"),
        ({"layer_norm_eps": 0}, "layer_norm_eps is 0; write a positive number"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05, spec.model.size tiny has 1e-06"),
        ({"image_size": 30}, "resolution 30 is not a multiple of patchSize 14; use 28 or 42"),
        ({"num_attention_heads": 4}, "width 96, depth 4 and 4 heads are no spec.model.size"),
        ({"num_attention_heads": 5}, "model width 96 is not a multiple of 5 heads"),
        ({"num_hidden_layers": 5}, "encoder.layer.4.norm1.weight is missing"),
        ({"num_hidden_layers": 3}, "encoder.layer.3.attention.* have no place in the vision transformer"),
        (
            {"image_size": 42},
            r"position_embeddings has shape \(1, 5, 96\), the configuration needs \(1, 10, 96\)",
        ),
        ({"use_swiglu_ffn": False}, "encoder.layer.0.mlp.fc1.weight is missing"),
    ],
)
def test_another_architecture_is_refused_with_field_and_value(
    storage: Storage, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    source = written(tmp_path / "published", drawn(TINY, 5), **changes)
    with pytest.raises(UserError, match=message):
        import_published(source, storage, (tmp_path / "run").as_uri(), "")
    assert not (tmp_path / "run").exists()


def test_gelu_in_dinov2_is_no_size_of_a_run(storage: Storage, tmp_path: Path) -> None:
    source = written(tmp_path / "published", drawn(replace(TINY, mlp="gelu"), 5))
    with pytest.raises(UserError, match=r"the MLP is gelu, spec\.model\.size tiny has swiglu"):
        import_published(source, storage, (tmp_path / "run").as_uri(), "")


Spoil = Callable[[State], State]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "registers": (
        lambda state: {**state, "register_tokens": torch.zeros(1, 4, 96)},
        "register_tokens have no place",
    ),
    "no size": (
        lambda state: {name: value for name, value in state.items() if not name.startswith("blocks.3.")},
        "width 96 and depth 3 are of no known size; known are tiny 96/4",
    ),
    "a grid that is not square": (
        lambda state: {**state, "pos_embed": torch.zeros(1, 7, 96)},
        "pos_embed has 7 positions, not one more than a square number",
    ),
    "no patches": (
        lambda state: {**state, "patch_embed.proj.weight": torch.zeros(96)},
        "patch_embed.proj.weight with 4 dimensions is missing",
    ),
    "NaN": (
        lambda state: {**state, "norm.bias": torch.full((96,), torch.nan)},
        "norm.bias holds NaN or infinity; the file is damaged",
    ),
    "something else": (
        lambda state: {"fc.weight": torch.zeros(2)},
        r"holds fc\.weight, which is no state dict",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_is_not_this_architecture_is_refused_with_the_tensor(tmp_path: Path, name: str) -> None:
    spoil, message = SPOILED[name]
    torch.save(spoil(plain(drawn(TINY, 5))), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=message):
        read_published(tmp_path / "weights.pth")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _cut_off(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def _missing_part(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part-1.safetensors"}}')


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()


def _two_files(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "b.pth").touch()


def _code_in_a_pickle(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    torch.save({"patch_embed.proj.weight": Path("x")}, folder / "weights.pth")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_weights, "holds no weights; it needs model.safetensors"),
        (_cut_off, r"model\.safetensors cannot be read .*fetch it again"),
        (_missing_part, r"names part-1\.safetensors, which is not there"),
        (_no_json, r"config\.json is not JSON"),
        (_a_list, r"config\.json holds a list, not fields"),
        (_no_config, r"has no config\.json"),
        (_two_files, r"has 2 weight files and no config\.json"),
        (_code_in_a_pickle, r"weights\.pth cannot be read"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = written(tmp_path / "published", drawn(TINY, 5))
    spoil(folder)
    with pytest.raises(UserError, match=message):
        read_published(folder)


@settings(deadline=None)
@given(data=st.data())
def test_any_one_missing_or_misshapen_tensor_is_named(data: st.DataObject) -> None:
    vit = _META
    published = dict(DINOV2.layout.publish(vit))
    name = data.draw(st.sampled_from([key for key in published if key != "embeddings.mask_token"]))
    if data.draw(st.booleans()):
        del published[name]
        expected = f"tensor {name.split('.q')[0]}"
    else:
        published[name] = torch.empty(2, 3, 4, device="meta")
        expected = name
    with pytest.raises(UserError) as caught:
        DINOV2.layout.adopt(published, vit)
    assert expected in str(caught.value)


def _meta() -> dict[str, Tensor]:
    with torch.device("meta"):
        return VisionTransformer(TINY).state_dict()


_META = _meta()
