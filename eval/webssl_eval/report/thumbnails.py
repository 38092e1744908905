"""Pictures small enough to stand inside a page. Pure: bytes to bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
_QUALITY, _PLAIN_BYTES, _WIDE = 80, 400_000, 1400


def thumbnail(data: bytes, side: int = SIDE) -> bytes:
    """A JPEG of at most `side` pixels a side; transparent pixels become white.

    Raises:
        OSError, ValueError: the bytes are no picture, or a broken one.
    """
    with Image.open(io.BytesIO(data)) as image:
        return _jpeg(_opaque(image), side)


def thumbnail_of_pixels(pixels: NDArray[np.uint8], side: int = SIDE) -> bytes:
    """The same for uint8 (H, W, 3)."""
    return _jpeg(Image.fromarray(pixels), side)


def drawing(data: bytes) -> tuple[str, bytes]:
    """Media type and bytes of a drawn PNG: itself when it is small, a narrower JPEG otherwise.

    Raises:
        OSError, ValueError: the bytes are no picture, or a broken one.
    """
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if len(data) <= _PLAIN_BYTES and image.format == "PNG":
            return "image/png", data
        return "image/jpeg", _jpeg(_opaque(image), _WIDE)


def data_uri(media: str, data: bytes) -> str:
    """A `data:` URI, base64."""
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(paper, layered).convert("RGB")
    return image.convert("RGB")


def _jpeg(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
