"""The transformers classes that this project's encoders are written as and read from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.model import SIZES, VitConfig, vit_config
from webssl_trainer.model.config import Family as Architecture

from webssl_eval.published import dinov2, vit
from webssl_eval.published.layout import Layout


@dataclass(frozen=True)
class Family:
    """One class of transformers, for one of our architectures.

    Attributes:
        model_type: as config.json names it.
        architecture: as `vit_config` names it.
        objectives: the objectives with such an encoder; an imported checkpoint is kept as one of the first.
        layout: its parameter names.
        to_json: our configuration -> config.json.
        from_json: config.json and its name -> our configuration.
    """

    model_type: str
    architecture: Architecture
    objectives: tuple[str, ...]
    layout: Layout
    to_json: Callable[[VitConfig], dict[str, Any]]
    from_json: Callable[[Mapping[str, Any], str], VitConfig]


DINOV2 = Family(
    dinov2.MODEL_TYPE, "dinov2", ("dino", "clip"), dinov2.LAYOUT, dinov2.to_json, dinov2.from_json
)
VIT = Family(vit.MODEL_TYPE, "mae", ("mae",), vit.LAYOUT, vit.to_json, vit.from_json)
FAMILIES = (DINOV2, VIT)


def family_for(objective: str) -> Family:
    """The class that an objective's encoder is written as.

    Raises:
        UserError: transformers has none for it.
    """
    for family in FAMILIES:
        if objective in family.objectives:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.objectives)
    raise UserError(
        f"objective {objective} has no encoder that a class of transformers expresses; known: {known}"
    )


def family_of(raw: Mapping[str, Any], where: str) -> Family:
    """The class that a config.json is of.

    Raises:
        UserError: it is none of those that can be imported.
    """
    found = raw.get("model_type")
    for family in FAMILIES:
        if family.model_type == found:
            return family
    known = ", ".join(family.model_type for family in FAMILIES)
    raise UserError(f"{where}: model_type is {found!r}; only {known} can be imported")


def size_of(config: VitConfig, architecture: Architecture, where: str) -> str:
    """The name that `spec.model.size` has for a configuration.

    Raises:
        UserError: no size has its width, depth and heads, or it differs from its size in another way.
    """
    rows = {
        size: vit_config(
            size, patch_size=config.patch_size, image_size=config.image_size, family=architecture
        )
        for size in SIZES
    }
    for size, row in rows.items():
        if (row.width, row.depth, row.heads) == (config.width, config.depth, config.heads):
            for name, words in _DIFFER.items():
                found, wanted = getattr(config, name), getattr(row, name)
                if found != wanted:
                    raise UserError(
                        f"{where}: {words} {found}, spec.model.size {size} has {wanted}; only that can be imported"
                    )
            return size
    known = ", ".join(f"{size} {row.width}/{row.depth}/{row.heads}" for size, row in rows.items())
    raise UserError(
        f"{where}: width {config.width}, depth {config.depth} and {config.heads} heads are no spec.model.size; "
        f"import one of width/depth/heads {known}"
    )


_DIFFER = {"norm_eps": "layer_norm_eps is", "mlp": "the MLP is"}
