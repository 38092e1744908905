"""A few images, and below each what the encoder makes of its patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webssl_trainer.observe.pictures.canvas import INK, Canvas
from webssl_trainer.observe.pictures.components import colours, principal_components

SIDE, GAP, HEAD = 192, 12, 58


def feature_picture(pixels_N3SS: NDArray[np.uint8], features_NHWD: NDArray[np.float32], title: str) -> bytes:
    """PNG: the images, and the first three principal components of all their patches' features as red, green and blue.

    Args:
        pixels_N3SS: the images.
        features_NHWD: for each image the features of its grid of patches, finite.
        title: goes above.
    """
    count, rows, columns, width = features_NHWD.shape
    rgb = colours(principal_components(features_NHWD.reshape(-1, width))).reshape(count, rows, columns, 3)
    canvas = Canvas(GAP + count * (SIDE + GAP), HEAD + 2 * (SIDE + GAP))
    canvas.text((GAP, 28), title, size=16, colour=INK)
    canvas.text((GAP, 47), "first three principal components of patch features as red, green and blue")
    for n in range(count):
        left = GAP + n * (SIDE + GAP)
        canvas.paste(Image.fromarray(pixels_N3SS[n].transpose(1, 2, 0)), (left, HEAD), SIDE, smooth=True)
        canvas.paste(Image.fromarray(rgb[n]), (left, HEAD + SIDE + GAP), SIDE, smooth=False)
    return canvas.png()
