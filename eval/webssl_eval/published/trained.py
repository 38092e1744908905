"""What a checkpoint says of its run: identity.json, read back into the parts that its encoder depends on. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig, vit_config

from webssl_eval.published.families import family_for

_SIZE, _PATCH, _SIDE = "model.size", "model.patchSize", "schedule.stages[{}].resolution"
ENCODER_ONLY = "encoderOnly"
"""Field of the objective in an imported checkpoint: nothing was trained here, and no run can go on from it."""


@dataclass(frozen=True)
class Trained:
    """What was trained.

    Attributes:
        fields: all fields of identity.json by their names in the manifest (`model.size`, ...).
        objective: dino, mae or clip.
        config: the vision transformer.
        resolution: side of the images of the last stage in pixels.
    """

    fields: Mapping[str, Any]
    objective: str
    config: VitConfig
    resolution: int


def trained_of(identity: bytes, where: str) -> Trained:
    """Read a checkpoint's identity.json.

    Args:
        identity: its bytes.
        where: the checkpoint, for messages.

    Raises:
        UserError: a field that the encoder depends on is missing or has an unknown value.
    """
    try:
        fields: dict[str, Any] = json.loads(identity)
    except ValueError as error:
        raise UserError(f"{where}: identity.json is not JSON ({error}); export another checkpoint") from error
    sides = _sides(fields)
    objective = next((name.split(".")[1] for name in fields if name.startswith("objective.")), None)
    missing = next((name for name in (_SIZE, _PATCH) if name not in fields), None)
    if missing is None and not sides:
        missing = _SIDE.format(0)
    if missing is None and objective is None:
        missing = "objective"
    if missing is not None or objective is None:
        raise UserError(
            f"{where}: identity.json has no {missing}; it is no checkpoint of this project's trainer"
        )
    config = vit_config(
        fields[_SIZE],
        patch_size=fields[_PATCH],
        image_size=sides[0],
        family=family_for(objective).architecture,
    )
    return Trained(fields, objective, config, sides[-1])


def imported_fields(
    size: str, config: VitConfig, objective: str, layout: str, source: str, sha256: str
) -> dict[str, Any]:
    """The identity of a checkpoint that holds nothing but an encoder from elsewhere.

    The objective has no settings, so no run's identity equals it: a run that finds it refuses to go on from it.
    """
    return {
        "imported.from": source,
        "imported.layout": layout,
        "imported.sha256": sha256,
        _SIZE: size,
        _PATCH: config.patch_size,
        f"objective.{objective}.{ENCODER_ONLY}": True,
        _SIDE.format(0): config.image_size,
    }


def _sides(fields: Mapping[str, Any]) -> list[int]:
    sides: list[int] = []
    while (name := _SIDE.format(len(sides))) in fields:
        sides.append(int(fields[name]))
    return sides
