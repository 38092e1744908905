"""Bytes to an RGB image, or a reason why not. Nothing an image file contains may end the run."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
from PIL import ExifTags, Image, ImageOps

MAX_PIXELS = 178_956_970
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_WIDE_MODES = {"I", "I;16", "I;16L", "I;16B", "I;16N"}

# The limit is checked here, from the header, before any pixel is decoded. Pillow's own check warns below its
# limit, and its warning filter is not safe to change in threads.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")


class BrokenSampleError(Exception):
    """A sample that can not be used; the reason is the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decodes an image file to a Pillow image of mode RGB, upright.

    EXIF orientation is applied; transparency is laid on white; 16-bit greys keep their high byte; CMYK and
    palettes become RGB; of an animation the first frame is taken.

    Args:
        data: the whole file.
        max_pixels: more pixels than this, by the header, are refused before decoding (a decompression bomb).

    Raises:
        BrokenSampleError: not an image, truncated, damaged, too large, or with pixels that are NaN or infinite.
    """
    return decode_for(data, lambda _width, _height: 1, max_pixels)[0]


def decode_for(
    data: bytes, factor: Callable[[int, int], int], max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[int, int]]:
    """As `decode_image`, but a JPEG is decoded smaller where that is enough, which skips most of its work.

    The file's cosine transforms are inverted at 1/2, 1/4 or 1/8 of their size, which averages pixels.

    Args:
        data, max_pixels: see `decode_image`.
        factor: from the upright width and height of the file to how many times smaller it may be: 1, 2, 4 or 8.

    Returns:
        The image, and the upright width and height of the file.
    """
    if not data:
        raise BrokenSampleError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_available()) as image:
            _check_size(image, max_pixels)
            width, height = image.size
            turned = image.format == "JPEG" and _orientation(image) >= 5
            full = (height, width) if turned else (width, height)
            by = factor(*full) if image.format == "JPEG" else 1
            if by > 1:
                image.draft(None, (width // by, height // by))
            image.load()
            upright = _rgb(_upright(image))
            return upright, full if image.format == "JPEG" else upright.size
    except BrokenSampleError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise BrokenSampleError(f"{type(error).__name__}: {error}"[:300]) from error


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 5 and more swap width and height."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data: the image is taken as it lies
        return 1


def _available() -> tuple[str, ...]:
    Image.preinit()
    if not set(FORMATS) <= set(Image.OPEN):
        Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise BrokenSampleError(f"{width} x {height} pixels are more than the limit of {max_pixels}")
    if width < 1 or height < 1:
        raise BrokenSampleError(f"{width} x {height} pixels")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data does not spoil the pixels
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _WIDE_MODES:
        return _from_wide(np.asarray(image).astype(np.int64))
    if image.mode == "F":
        return _from_float(np.asarray(image, dtype=np.float64))
    if image.mode in {"RGBA", "RGBa", "LA", "La", "PA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_wide(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Image.Image:
    eight = values >> 8 if values.max(initial=0) > 255 else values
    return Image.fromarray(np.clip(eight, 0, 255).astype(np.uint8)).convert("RGB")


def _from_float(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Image.Image:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise BrokenSampleError(f"{bad} of {values.size} pixels are NaN or infinite")
    scaled = values * 255.0 if values.max(initial=0.0) <= 1.0 else values
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8)).convert("RGB")
