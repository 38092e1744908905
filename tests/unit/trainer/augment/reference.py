"""Colour jitter, grey, blur and solarisation of one crop by Pillow: what the tensors must match."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps
from webssl_trainer.data.crop_spec import Photometric
from webssl_trainer.data.draws import Purpose, uniforms

# Fixed places in the draws of a crop, so that one switched-off effect does not shift the others.
_JITTER, _ORDER, _FACTORS, _GREY, _BLUR, _SIGMA, _SOLARISE, _DRAWS = 0, 1, 5, 9, 10, 11, 12, 13


def photometric(crop: Image.Image, recipe: Photometric, seed: int, position: int, number: int) -> Image.Image:
    """One crop with its drawn changes of colour.

    Args:
        crop: RGB image.
        recipe: probabilities and strengths.
        seed: the run's seed.
        position: global position of the sample.
        number: which crop of the sample this is (globals first).
    """
    draws = uniforms(seed, position, Purpose.PHOTOMETRIC, _DRAWS, number)
    if draws[_JITTER] < recipe.jitter:
        crop = _jittered(crop, recipe, draws)
    if draws[_GREY] < recipe.grey:
        crop = crop.convert("L").convert("RGB")
    if draws[_BLUR] < recipe.blur:
        low, high = recipe.blur_sigma
        crop = crop.filter(ImageFilter.GaussianBlur(low + float(draws[_SIGMA]) * (high - low)))
    if draws[_SOLARISE] < recipe.solarise:
        crop = ImageOps.solarize(crop, threshold=128)
    return crop


def _jittered(crop: Image.Image, recipe: Photometric, draws: NDArray[np.float64]) -> Image.Image:
    """Brightness, contrast, saturation and hue, in a drawn order."""
    around = 2.0 * draws[_FACTORS:_GREY] - 1.0
    for effect in np.argsort(draws[_ORDER:_FACTORS], kind="stable"):
        if effect == 0:
            crop = ImageEnhance.Brightness(crop).enhance(1.0 + float(around[0]) * recipe.brightness)
        elif effect == 1:
            crop = ImageEnhance.Contrast(crop).enhance(1.0 + float(around[1]) * recipe.contrast)
        elif effect == 2:
            crop = ImageEnhance.Color(crop).enhance(1.0 + float(around[2]) * recipe.saturation)
        else:
            crop = shifted_hue(crop, float(around[3]) * recipe.hue)
    return crop


def shifted_hue(crop: Image.Image, shift: float) -> Image.Image:
    """Hue turned by `shift` of the colour circle, in steps of 1/256."""
    step = round(shift * 256) % 256
    if step == 0:
        return crop
    hue, saturation, value = crop.convert("HSV").split()
    turned = ImageChops.add_modulo(hue, Image.new("L", hue.size, step))
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")
