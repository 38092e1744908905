"""How an objective's encoder wants to see images: normalised as in its training."""

from __future__ import annotations

from collections.abc import Callable

from webssl_trainer.data import CropSpec, EvalTransform
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.clip.config import clip_crops
from webssl_trainer.objectives.mae.config import mae_crops

_CROPS: dict[str, Callable[[], CropSpec]] = {"dino": CropSpec, "mae": mae_crops, "clip": clip_crops}


def evaluation_views(objective: str, side: int) -> EvalTransform:
    """Square views of `side` pixels for the encoder of an objective, with the mean and deviation of its training crops.

    Raises:
        UserError: the objective is unknown.
    """
    if objective not in _CROPS:
        raise UserError(f"spec.objective {objective} is unknown; use {', '.join(_CROPS)}")
    crops = _CROPS[objective]()
    return EvalTransform(size=side, mean=crops.mean, std=crops.std)
