"""A row for each picture: itself, its patches' components as colours, the mean attention of all heads, and that of each head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from webssl_trainer.observe.pictures.canvas import INK, Canvas
from webssl_trainer.observe.pictures.components import colours as component_colours
from webssl_trainer.observe.pictures.components import principal_components

from webssl_eval.suites.alignment.heat_map import colours

SIDE, GAP, HEAD = 144, 10, 78


def encoder_picture(
    pixels_N3SS: NDArray[np.uint8],
    features_NRCD: NDArray[np.float32],
    attention_NHRC: NDArray[np.float32],
    title: str,
) -> bytes:
    """PNG.

    Args:
        pixels_N3SS: the pictures as the encoder sees them, without their normalisation.
        features_NRCD: final-layer features of their patches.
        attention_NHRC: see `encoders.attention`; each map is drawn from its own least to its own largest value.
        title: goes above.
    """
    count, rows, columns, width = features_NRCD.shape
    heads = attention_NHRC.shape[1]
    tile, across = tiles_of(heads)
    rgb = component_colours(principal_components(features_NRCD.reshape(-1, width)))
    rgb_NRC3 = rgb.reshape(count, rows, columns, 3)
    left = [GAP + n * (SIDE + GAP) for n in range(4)]
    canvas = Canvas(left[3] + across * (tile + 2) + GAP, HEAD + count * (SIDE + GAP))
    canvas.text((GAP, 24), title, size=15, colour=INK)
    canvas.text((left[1], 46), "components")
    canvas.text((left[2], 46), "attention of the last block's class token to the patches")
    names = ("picture", "of patch features", "mean of heads", "each head")
    for place, name in zip(left, names, strict=True):
        canvas.text((place, 66), name)
    for n in range(count):
        top = HEAD + n * (SIDE + GAP)
        canvas.paste(Image.fromarray(pixels_N3SS[n].transpose(1, 2, 0)), (left[0], top), SIDE, smooth=True)
        canvas.paste(Image.fromarray(rgb_NRC3[n]), (left[1], top), SIDE, smooth=False)
        canvas.paste(_heat(attention_NHRC[n].mean(axis=0)), (left[2], top), SIDE, smooth=False)
        for head in range(heads):
            row, column = divmod(head, across)
            at = (left[3] + column * (tile + 2), top + row * (tile + 2))
            canvas.paste(_heat(attention_NHRC[n, head]), at, tile, smooth=False)
    return canvas.png()


def tiles_of(heads: int) -> tuple[int, int]:
    """Side of a head's map in pixels, and how many stand side by side: in 1, 2 or 3 rows of a picture's height. Pure."""
    rows = 1 if heads <= 4 else 2 if heads <= 12 else 3
    return (SIDE - 2 * (rows - 1)) // rows, -(-heads // rows)


def _heat(map_RC: NDArray[np.float32]) -> Image.Image:
    low, high = float(map_RC.min()), float(map_RC.max())
    return Image.fromarray(colours((map_RC.astype(np.float64) - low) / max(high - low, 1e-12)))
