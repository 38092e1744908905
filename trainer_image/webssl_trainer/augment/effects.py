"""Which changes of colour and blur each crop gets: numbers drawn on the CPU, so that no shape waits for the device.

Source: BYOL (Grill et al. 2020), appendix B, as DINO and DINOv2 use it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.crop_spec import Photometric
from webssl_trainer.data.draws import Purpose, uniforms_for

# Fixed places in the draws of a crop, so that one switched-off effect does not shift the others.
_JITTER, _ORDER, _FACTORS, _GREY, _BLUR, _SIGMA, _SOLARISE, _DRAWS = 0, 1, 5, 9, 10, 11, 12, 13
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
SLOTS = 4
"""The jitter makes four changes, one after the other."""
UNCHANGED = (1.0, 0.0, 0.0)
"""Weights of a blend that changes nothing."""
_DEVIATIONS = 3.0
"""Blur kernels reach this many of the largest standard deviation."""

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Effects:
    """The draws of S crops.

    Attributes:
        blend: (S, 4, 3), for each slot the weights of the crop itself, of its luma, and of its mean luma.
        hue: (S, 4), turn in each slot as a fraction of the colour circle; 0 for none.
        grey, solarise: (S,).
        kernel: (S, 1 + R), the middle of a normalised symmetric kernel and its one side; R the same in all batches,
            so that a crop does not depend on its neighbours.
    """

    blend: F32
    hue: F32
    grey: Mask
    kernel: F32
    solarise: Mask

    def part(self, first: int, end: int) -> Effects:
        """Those of the crops [first, end)."""
        return Effects(*(getattr(self, field.name)[first:end] for field in fields(self)))


def draw_effects(
    recipes: Sequence[Photometric], seed: int, positions: NDArray[np.int64], first: int
) -> Effects:
    """The draws of crops (n, N), flattened: functions of (seed, position, crop number) only.

    Args:
        recipes: of each of the n crops of a sample.
        seed: the run's seed.
        positions: global positions of the samples, (N,).
        first: number of the first of these crops within its sample (globals come first).
    """
    count = len(positions)
    numbers = np.repeat(np.arange(first, first + len(recipes)), count)
    draws = uniforms_for(seed, np.tile(positions, len(recipes)), Purpose.PHOTOMETRIC, _DRAWS, numbers)

    def of(field: str) -> NDArray[np.float64]:
        return np.repeat([getattr(recipe, field) for recipe in recipes], count)

    low, high = np.repeat([recipe.blur_sigma for recipe in recipes], count, axis=0).T
    sigma = np.where(draws[:, _BLUR] < of("blur"), low + draws[:, _SIGMA] * (high - low), 0.0)
    strengths = np.stack([of(name) for name in ("brightness", "contrast", "saturation", "hue")], axis=1)
    blend, hue = _jitter(draws, draws[:, _JITTER] < of("jitter"), strengths)
    return Effects(
        blend=blend,
        hue=hue,
        grey=draws[:, _GREY] < of("grey"),
        kernel=_kernels(sigma, max(recipe.blur_sigma[1] for recipe in recipes)),
        solarise=draws[:, _SOLARISE] < of("solarise"),
    )


def _jitter(draws: NDArray[np.float64], chosen: Mask, strengths: NDArray[np.float64]) -> tuple[F32, F32]:
    """Brightness, contrast, saturation and hue, in a drawn order."""
    around = (2.0 * draws[:, _FACTORS:_GREY] - 1.0) * strengths
    factor = 1.0 + around
    change = np.argsort(draws[:, _ORDER:_FACTORS], axis=1, kind="stable")
    blend = np.zeros((len(draws), SLOTS, 3))
    blend[..., 0] = 1.0
    hue = np.zeros((len(draws), SLOTS))
    # Where the part of the crop that is not itself comes from: nothing (black), its mean luma, its luma.
    for effect, place in ((_BRIGHTNESS, None), (_CONTRAST, 2), (_SATURATION, 1)):
        crop, slot = np.nonzero((change == effect) & chosen[:, None])
        blend[crop, slot, 0] = factor[crop, effect]
        if place is not None:
            blend[crop, slot, place] = 1.0 - factor[crop, effect]
    crop, slot = np.nonzero((change == _HUE) & chosen[:, None])
    hue[crop, slot] = around[crop, _HUE]
    return blend.astype(np.float32), hue.astype(np.float32)


def _kernels(sigma: NDArray[np.float64], largest: float) -> F32:
    """Sampled Gaussians, normalised; a single 1 where sigma is 0."""
    offsets = np.arange(1 + math.ceil(_DEVIATIONS * largest))
    with np.errstate(divide="ignore", invalid="ignore"):
        side = np.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    side[:, 0] = 1.0
    return np.asarray(side / (2 * side.sum(axis=1, keepdims=True) - 1), dtype=np.float32)
