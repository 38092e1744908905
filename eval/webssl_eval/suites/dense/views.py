"""Where views of an image lie: random ones to train on, the centre, and windows that cover all of it. Geometry only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from webssl_trainer.data import Purpose, uniforms

FILL = (124, 116, 104)
"""Pixels beyond the image: ImageNet's mean, which normalisation makes 0."""
_OVERLAP = 1 / 3


@dataclass(frozen=True)
class View:
    """pixels: RGB, uint8 (S, S, 3). values: int32 (S, S)."""

    pixels: NDArray[np.uint8]
    values: NDArray[np.int32]


def random_view(
    pixels: NDArray[np.uint8],
    values: NDArray[np.int32],
    side: int,
    scales: tuple[float, float],
    outside: int,
    seed: int,
    position: int,
) -> View:
    """A random crop of the scaled image, mirrored half of the time.

    Args:
        pixels: uint8 (H, W, 3).
        values: int32 (H, W).
        side: of the crop, in pixels.
        scales: the shorter side becomes `side` times a factor between these.
        outside: value of pixels beyond the image, where it is smaller than the crop.
        seed, position: what the draws are a function of.
    """
    scale, down, right, mirror = uniforms(seed, position, Purpose.CROP_GEOMETRY, 4)
    short = max(1, round(side * (scales[0] + scale * (scales[1] - scales[0]))))
    large = _padded(*scaled(pixels, values, short), side, outside)
    height, width = large[1].shape
    top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
    picture, numbers = (part[top : top + side, left : left + side] for part in large)
    if mirror < 0.5:
        picture, numbers = picture[:, ::-1], numbers[:, ::-1]
    return View(np.ascontiguousarray(picture), np.ascontiguousarray(numbers))


def centre_view(pixels: NDArray[np.uint8], values: NDArray[np.int32], side: int) -> View:
    """The centre of the image, whose shorter side becomes `side`."""
    picture, numbers = scaled(pixels, values, side)
    top, left = ((length - side) // 2 for length in numbers.shape)
    area = slice(top, top + side), slice(left, left + side)
    return View(np.ascontiguousarray(picture[area]), np.ascontiguousarray(numbers[area]))


def scaled(
    pixels: NDArray[np.uint8], values: NDArray[np.int32], short: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Resized so that the shorter side is `short`: pixels by bicubic interpolation, values by the nearest one."""
    height, width = values.shape
    size = scaled_size(height, width, short)
    rows = ((np.arange(size[0]) + 0.5) * height / size[0]).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * width / size[1]).astype(np.int64)
    return scaled_pixels(pixels, size), values[rows[:, None], columns[None, :]]


def scaled_size(height: int, width: int, short: int) -> tuple[int, int]:
    """Height and width when the shorter of them becomes `short`."""
    factor = short / min(height, width)
    return max(short, round(height * factor)), max(short, round(width * factor))


def scaled_pixels(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """RGB pixels (H, W, 3) at another height and width."""
    if pixels.shape[:2] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))


def windows(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """Top left corners of windows that cover an image at least as large as they are, overlapping by about a third."""
    return [(top, left) for top in _starts(height, side) for left in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    stride = max(1, round(side * (1 - _OVERLAP)))
    return sorted({min(start, length - side) for start in range(0, length - side + stride, stride)})


def _padded(
    pixels: NDArray[np.uint8], values: NDArray[np.int32], side: int, outside: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    height, width = values.shape
    if min(height, width) >= side:
        return pixels, values
    size = max(height, side), max(width, side)
    picture = np.empty((*size, 3), dtype=np.uint8)
    picture[:] = FILL
    numbers = np.full(size, outside, dtype=np.int32)
    picture[:height, :width], numbers[:height, :width] = pixels, values
    return picture, numbers
