"""The fixed transform of evaluation: resize the shorter side, cut the centre, normalise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webssl_trainer.data.crop_spec import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True)
class EvalTransform:
    """Square evaluation views.

    Attributes:
        size: side of the view in pixels.
        resize: length of the shorter side before the centre is cut; 0 means `size` (nothing is lost on the
            shorter side). 256 with size 224 is the usual ImageNet protocol.
        mean, std: per-channel normalisation of values in [0, 1].
    """

    size: int = 224
    resize: int = 0
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def pixels(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """View of an RGB image (Pillow, or uint8 (H, W, 3)) as uint8 (3, size, size)."""
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        width, height = picture.size
        short = max(self.size, self.resize)
        factor = min(width, height) / short
        side = self.size * factor
        left, top = (width - side) / 2, (height - side) / 2
        view = picture.convert("RGB").resize(
            (self.size, self.size),
            resample=Image.Resampling.BICUBIC,
            box=(max(0.0, left), max(0.0, top), min(width, left + side), min(height, top + side)),
            reducing_gap=3.0,
        )
        return np.ascontiguousarray(np.asarray(view).transpose(2, 0, 1))

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalised view as float32 (3, size, size)."""
        mean = np.array(self.mean, dtype=np.float32).reshape(3, 1, 1)
        std = np.array(self.std, dtype=np.float32).reshape(3, 1, 1)
        scaled = self.pixels(image).astype(np.float32) / np.float32(255)
        return np.asarray((scaled - mean) / std, dtype=np.float32)
