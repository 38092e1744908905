"""transformers' `ViTModel`: its parameter names, and its config.json from and to our configuration. Pure.

It is MAE's encoder: GELU, no LayerScale. Its pooler, which nothing here trained, is neither written nor read. Position
embeddings are interpolated as ours are, but only for calls with `interpolate_pos_encoding=True`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig, vit_config

from webssl_eval.published.fields import Fields
from webssl_eval.published.layout import Layout

MODEL_TYPE = "vit"

LAYOUT = Layout(
    name="ViTModel",
    blocks=["encoder.layer.{}", "layers.{}"],
    outside={
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    },
    within={
        "norm1": [("layernorm_before",)],
        "attn.qkv": [
            ("attention.attention.query", "attention.attention.key", "attention.attention.value"),
            ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        ],
        "attn.proj": [("attention.output.dense",), ("attention.o_proj",)],
        "norm2": [("layernorm_after",)],
        "mlp.fc1": [("intermediate.dense",), ("mlp.fc1",)],
        "mlp.fc2": [("output.dense",), ("mlp.fc2",)],
    },
    unused=r"pooler\..*",
)

_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "qkv_bias": True,
}
"""What `ViTConfig` fills in for a field that config.json leaves out."""


def to_json(config: VitConfig) -> dict[str, Any]:
    """The config.json with which `ViTModel` is this transformer.

    Raises:
        UserError: it has something that `ViTModel` cannot express.
    """
    wrong = {"mlp": config.mlp != "gelu", "layer_scale": config.layer_scale is not None}
    name = next((name for name, found in wrong.items() if found), None)
    if name is not None:
        raise UserError(
            f"{name} is {getattr(config, name)!r}, which ViTModel does not have: write a Dinov2Model"
        )
    return {
        "architectures": ["ViTModel"],
        "model_type": MODEL_TYPE,
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp_hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": config.norm_eps,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "num_channels": 3,
        "qkv_bias": True,
        "encoder_stride": config.patch_size,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "dtype": "float32",
    }


def from_json(raw: Mapping[str, Any], where: str) -> VitConfig:
    """Our configuration of a `ViTModel`. Whether its position embedding was learned or fixed leaves no trace.

    Args:
        raw: contents of its config.json.
        where: name of that file, for messages.

    Raises:
        UserError: a field has a value that this project's vision transformer does not have.
    """
    fields = Fields(raw, _DEFAULTS, where)
    width = fields.whole("hidden_size")
    fields.require("intermediate_size", 4 * width, "the MLP here has 4 times the width of the model")
    fields.require("hidden_act", "gelu", "the MLP here has GELU between its layers")
    fields.require("qkv_bias", True, "every linear layer here has a bias")
    fields.require("num_channels", 3, "images are RGB here")
    return replace(
        vit_config("tiny", family="mae"),
        width=width,
        depth=fields.whole("num_hidden_layers"),
        heads=fields.whole("num_attention_heads"),
        patch_size=fields.side("patch_size"),
        image_size=fields.side("image_size"),
        norm_eps=fields.real("layer_norm_eps"),
    )
