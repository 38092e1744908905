"""Where the crops of an image lie, and their pixels as uint8. Geometry only; for colour see `augment`.

Source: random resized crop of Inception (Szegedy et al. 2015), multi-crop of SwAV and DINO.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.draws import Purpose, uniforms

_TRIES = 10
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A region of an image in whole pixels, and whether it is mirrored."""

    left: int
    top: int
    right: int
    bottom: int
    flip: bool


@dataclass(frozen=True)
class SampleCrops:
    """Crops of one sample: uint8 (n_global, 3, H, W) and (n_local, 3, h, w)."""

    global_crops: U8
    local_crops: U8


def crop_box(
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    flip: float,
    draws: NDArray[np.float64],
) -> Box:
    """Region of a random resized crop.

    Tries ten times for a region of a drawn area and aspect ratio that fits; else takes the largest centred
    region whose aspect ratio is allowed.

    Args:
        width, height: of the image, in pixels.
        scale: share of the area, lowest and highest.
        ratio: width / height, lowest and highest; drawn uniformly in its logarithm.
        flip: probability of a mirrored crop.
        draws: float64 (41,) in [0, 1): the flip, then area, ratio, left, top for each try.
    """
    flipped = bool(draws[0] < flip)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for at in range(1, 1 + 4 * _TRIES, 4):
        area = width * height * (scale[0] + draws[at] * (scale[1] - scale[0]))
        aspect = math.exp(low + draws[at + 1] * (high - low))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(draws[at + 2] * (width - w + 1)), int(draws[at + 3] * (height - h + 1))
            return Box(left, top, left + w, top + h, flipped)
    w, h = width, height
    if width / height < ratio[0]:
        h = max(1, min(height, round(width / ratio[0])))
    elif width / height > ratio[1]:
        w = max(1, min(width, round(height * ratio[1])))
    left, top = (width - w) // 2, (height - h) // 2
    return Box(left, top, left + w, top + h, flipped)


def cut(image: Image.Image, box: Box, side: int) -> Image.Image:
    """The region, resized to `side` x `side` (bicubic, antialiased), mirrored where the box says so."""
    region = image.resize(
        (side, side),
        resample=Image.Resampling.BICUBIC,
        box=(box.left, box.top, box.right, box.bottom),
        reducing_gap=2.0,
    )
    return region.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if box.flip else region


def geometric_crops(
    image: Image.Image, spec: CropSpec, seed: int, position: int
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Global and local crops of an RGB image.

    All draws are functions of (seed, position, crop number).
    """
    plans = [(spec.global_size, spec.global_scale)] * spec.n_global
    plans += [(spec.local_size, spec.local_scale)] * spec.n_local
    crops = []
    for number, (side, scale) in enumerate(plans):
        draws = uniforms(seed, position, Purpose.CROP_GEOMETRY, 1 + 4 * _TRIES, number)
        crops.append(cut(image, crop_box(*image.size, scale, spec.ratio, spec.flip, draws), side))
    return crops[: spec.n_global], crops[spec.n_global :]


def sample_crops(image: Image.Image, spec: CropSpec, seed: int, position: int) -> SampleCrops:
    """All crops of one sample as channel-first uint8 arrays; their colours are changed on the device."""
    global_crops, local_crops = geometric_crops(image, spec, seed, position)
    return SampleCrops(_stacked(global_crops, spec.global_size), _stacked(local_crops, spec.local_size))


def _stacked(crops: list[Image.Image], side: int) -> U8:
    out = np.empty((len(crops), 3, side, side), dtype=np.uint8)
    for number, crop in enumerate(crops):
        out[number] = np.asarray(crop).transpose(2, 0, 1)
    return out
