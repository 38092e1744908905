"""Generated pictures whose every pixel has a class and a depth that show in the picture: rectangles of noisy colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PALETTE = np.array([(70, 80, 90), (210, 60, 50), (60, 190, 220)], dtype=np.float64)
HEIGHT, WIDTH = 28, 42


def scene(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A picture and the class of each pixel: background 0, and rectangles of classes 1 and 2."""
    generator = np.random.default_rng(seed)
    classes = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    for label in (1, 2):
        top, left = generator.integers(0, HEIGHT - 14), generator.integers(0, WIDTH - 18)
        classes[top : top + 14, left : left + 18] = label
    pixels = PALETTE[classes] + generator.normal(0, 12, (HEIGHT, WIDTH, 3))
    return pixels.clip(0, 255).astype(np.uint8), classes


def shaded(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture and the depth of each pixel in metres, from 1 to 5: what is farther is darker."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(1, 5, (2, 2))
    down, right = np.linspace(0, 1, HEIGHT)[:, None], np.linspace(0, 1, WIDTH)[None, :]
    upper, lower = (row[0] * (1 - right) + row[1] * right for row in corners)
    depth = upper * (1 - down) + lower * down
    grey = 250 - 45 * depth[..., None] + generator.normal(0, 6, (HEIGHT, WIDTH, 3))
    return grey.clip(0, 255).astype(np.uint8), depth


def png_of(values: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, key: str, pixels: NDArray[np.uint8], values: NDArray[np.generic]) -> None:
    """`images/{key}.png` and `annotations/{key}.png`."""
    for name, part in (("images", pixels), ("annotations", values)):
        path = folder / name / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of(part))
