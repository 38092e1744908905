"""The layout of the files that DINOv2's and MAE's own code write (`blocks.0.attn.qkv.weight`, `ls1.gamma`). Pure.

Such a file says nothing of its architecture, so the configuration is read off the shapes. The number of heads leaves
no trace in them: it is that of the size with the same width and depth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor
from webssl_trainer.errors import UserError
from webssl_trainer.model import SIZES, VitConfig, vit_config
from webssl_trainer.model.config import Family as Architecture

from webssl_eval.published.layout import Layout, State

_WITHIN = (
    *("norm1", "attn.qkv", "attn.proj", "ls1"),
    *("norm2", "mlp.w12", "mlp.w3", "mlp.fc1", "mlp.fc2", "ls2"),
)
_TOKENS = ("cls_token", "mask_token", "pos_embed")
_OUTSIDE = ("patch_embed.proj", "norm")
_CHUNKED = re.compile(r"^blocks\.\d+\.(\d+)\.")
_OUTER = ("teacher", "model", "state_dict")
_PREFIXES = ("module.", "backbone.")

DINOV2 = Layout(
    name="DINOv2 state dict",
    blocks=["blocks.{}"],
    outside={
        **{name: name for name in _TOKENS},
        **{f"{name}.{leaf}": f"{name}.{leaf}" for name in _OUTSIDE for leaf in ("weight", "bias")},
    },
    within={module: [(module,)] for module in _WITHIN},
    fillable={"mask_token"},
    unused=r"(dino|ibot)_head\..*",
)
MAE = replace(DINOV2, name="MAE state dict", unused=r"mask_token|decoder_.*")
"""Its mask token belongs to the decoder, which is not kept."""


def is_original(names: Mapping[str, object]) -> bool:
    """Whether a file's top-level names are of this layout, wrapped as training checkpoints are or not."""
    return any(name in names for name in _OUTER) or any(
        _bare(name) == "patch_embed.proj.weight" for name in names
    )


def unwrapped(loaded: Mapping[str, object]) -> State:
    """The backbone's tensors by their plain names.

    Outer dictionaries (`teacher`, ...), the prefixes `module.` and `backbone.`, and the chunk numbers that training with
    FSDP puts between `blocks` and the block's number are taken off.
    """
    inner: Mapping[str, object] = loaded
    while (
        name := next((outer for outer in _OUTER if isinstance(inner.get(outer), Mapping)), None)
    ) is not None:
        found = inner[name]
        assert isinstance(found, Mapping)
        inner = found
    tensors = {_bare(name): value for name, value in inner.items() if isinstance(value, Tensor)}
    return {_CHUNKED.sub(r"blocks.\1.", name): value for name, value in tensors.items()}


def architecture_of(state: Mapping[str, Tensor]) -> Architecture:
    """Whose code wrote it: MAE's blocks have no LayerScale."""
    return "dinov2" if any(name.endswith(".ls1.gamma") for name in state) else "mae"


def from_shapes(state: Mapping[str, Tensor], where: str) -> VitConfig:
    """The configuration of a backbone's tensors.

    Args:
        state: tensors by plain name.
        where: name of the file, for messages.

    Raises:
        UserError: a tensor that the configuration is read from is missing or of an unknown form, or there is no size
            of this width and depth.
    """
    patches = _shape(state, "patch_embed.proj.weight", 4, where)
    positions = _shape(state, "pos_embed", 3, where)
    width, patch = patches[0], patches[-1]
    depth = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
    grid = math.isqrt(positions[1] - 1)
    if grid * grid != positions[1] - 1:
        raise UserError(
            f"{where}: pos_embed has {positions[1]} positions, not one more than a square number; only square grids "
            "with one CLS token can be imported"
        )
    for size in SIZES:
        row = vit_config(size, patch_size=patch, image_size=grid * patch, family=architecture_of(state))
        if (row.width, row.depth) == (width, depth):
            return replace(row, mlp="gelu" if "blocks.0.mlp.fc1.weight" in state else "swiglu")
    rows = ", ".join(f"{size} {vit_config(size).width}/{vit_config(size).depth}" for size in SIZES)
    raise UserError(f"{where}: width {width} and depth {depth} are of no known size; known are {rows}")


def _shape(state: Mapping[str, Tensor], name: str, dimensions: int, where: str) -> tuple[int, ...]:
    if name not in state or state[name].dim() != dimensions:
        raise UserError(
            f"{where}: tensor {name} with {dimensions} dimensions is missing; this is no DINOv2 state dict"
        )
    return tuple(state[name].shape)


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
