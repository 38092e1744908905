"""transformers' `Dinov2Model`: its parameter names, and its config.json from and to our configuration. Pure.

The names are those of published checkpoints. transformers 5.2 and later use others in memory, and write those when
asked to; both are read. Its SwiGLU has the width of ours (8/3 of the model's, rounded up to a multiple of 8), its
position embedding is interpolated as ours is: bicubic, in fp32, to the number of patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig

from webssl_eval.published.fields import Fields
from webssl_eval.published.layout import Layout, Parts

MODEL_TYPE = "dinov2"

_SPELLED: Mapping[str, Sequence[Parts]] = {
    "norm1": [("norm1",)],
    "attn.qkv": [
        ("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    ],
    "attn.proj": [("attention.output.dense",), ("attention.o_proj",)],
    "ls1": [("layer_scale1",)],
    "norm2": [("norm2",)],
    "mlp.w12": [("mlp.weights_in",), ("mlp.gate_proj", "mlp.up_proj")],
    "mlp.w3": [("mlp.weights_out",), ("mlp.down_proj",)],
    "mlp.fc1": [("mlp.fc1",)],
    "mlp.fc2": [("mlp.fc2",)],
    "ls2": [("layer_scale2",)],
}

LAYOUT = Layout(
    name="Dinov2Model",
    blocks=["encoder.layer.{}"],
    outside={
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    },
    within=_SPELLED,
    gamma="lambda1",
    fillable={"mask_token"},
)

_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "mlp_ratio": 4,
    "layer_norm_eps": 1e-6,
    "image_size": 224,
    "patch_size": 14,
    "num_channels": 3,
    "qkv_bias": True,
    "layerscale_value": 1.0,
    "use_swiglu_ffn": False,
    "hidden_act": "gelu",
}
"""What `Dinov2Config` fills in for a field that config.json leaves out."""


def to_json(config: VitConfig) -> dict[str, Any]:
    """The config.json with which `Dinov2Model` is this transformer.

    Raises:
        UserError: it has something that `Dinov2Model` cannot express.
    """
    if config.layer_scale is None:
        raise UserError(
            "layer_scale is None, but Dinov2Model has LayerScale in every block: write a ViTModel"
        )
    return {
        "architectures": ["Dinov2Model"],
        "model_type": MODEL_TYPE,
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "mlp_ratio": 4,
        "use_swiglu_ffn": config.mlp == "swiglu",
        "hidden_act": "gelu",
        "layer_norm_eps": config.norm_eps,
        "layerscale_value": config.layer_scale,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "num_channels": 3,
        "qkv_bias": True,
        "use_mask_token": config.mask_token,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "drop_path_rate": 0.0,
        "dtype": "float32",
    }


def from_json(raw: Mapping[str, Any], where: str) -> VitConfig:
    """Our configuration of a `Dinov2Model`. It has a mask token, which is 0 where the file has none.

    Args:
        raw: contents of its config.json.
        where: name of that file, for messages.

    Raises:
        UserError: a field has a value that this project's vision transformer does not have.
    """
    fields = Fields(raw, _DEFAULTS, where)
    fields.require("mlp_ratio", 4, "the MLP here has 4 times the width of the model, or two thirds of that")
    fields.require("qkv_bias", True, "every linear layer here has a bias")
    fields.require("num_channels", 3, "images are RGB here")
    gated = fields.flag("use_swiglu_ffn")
    if not gated:
        fields.require("hidden_act", "gelu", "the MLP here has GELU between its layers")
    return VitConfig(
        width=fields.whole("hidden_size"),
        depth=fields.whole("num_hidden_layers"),
        heads=fields.whole("num_attention_heads"),
        patch_size=fields.side("patch_size"),
        image_size=fields.side("image_size"),
        layer_scale=fields.real("layerscale_value"),
        norm_eps=fields.real("layer_norm_eps"),
        mlp="swiglu" if gated else "gelu",
    )
