"""Photographs as JPEG files, from those that scikit-image and scikit-learn bring along.

Fourteen pictures (of NASA, of stereo scenes, of tissue, of textures, of a cat ...), of which image `number` is a window of 60 to
100 % of the shorter side, drawn by its number, 400 to 600 pixels long, with a quality of 80 to 95. So all files differ in
bytes, size and place, but not in what they show: good for measuring readers and decoders, not for learning.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

_SKIMAGE = (
    "rocket.jpg", "gravel.png", "grass.png", "chelsea.png", "retina.jpg", "coffee.png", "ihc.png", "brick.png",
    "hubble_deep_field.jpg", "motorcycle_left.png", "motorcycle_right.png", "astronaut.png",
)  # fmt: skip
_SKLEARN = ("china.jpg", "flower.jpg")


def sources() -> list[Image.Image]:
    """The pictures that all files are cut from, RGB."""
    first, second = Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets/images"
    paths = [first / name for name in _SKIMAGE] + [second / name for name in _SKLEARN]
    return [Image.open(path).convert("RGB") for path in paths]


def photograph(pictures: list[Image.Image], number: int) -> bytes:
    """File `number`: the same bytes whenever it is made."""
    rng, picture = np.random.default_rng(number), pictures[number % len(pictures)]
    width, height = picture.size
    side = rng.uniform(0.6, 1.0) * min(width, height)
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    w, h = min(width, side * aspect**0.5), min(height, side / aspect**0.5)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    factor = int(rng.integers(400, 601)) / max(w, h)
    box, size = (left, top, left + w, top + h), (round(w * factor), round(h * factor))
    buffer = io.BytesIO()
    quality = int(rng.integers(80, 96))
    picture.resize(size, Image.Resampling.LANCZOS, box).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
