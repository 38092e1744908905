"""Bytes to an RGB image, or a reason why not. Nothing an image file contains may end the run."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from webssl_trainer.data.jpeg import jpeg_pixels, jpeg_size
from webssl_trainer.storage import Came

U8 = NDArray[np.uint8]
MAX_PIXELS = 178_956_970
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_PLUGINS = {"WEBP": "WebP"}
_TURNS, _SIDEWAYS = range(2, 9), range(5, 9)
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


def decode_image(data: Came, max_pixels: int = MAX_PIXELS) -> Image.Image:
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
    data: Came, factor: Callable[[int, int], int], max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[int, int]]:
    """As `decode_image`, but a JPEG is decoded smaller where that is enough, which skips most of its work.

    The file's cosine transforms are inverted at 1/2, 1/4 or 1/8 of their size, which averages pixels.

    Args:
        data, max_pixels: see `decode_image`.
        factor: from the upright width and height of the file to how many times smaller it may be: 1, 2, 4 or 8.

    Returns:
        The image, and the upright width and height of the file.
    """
    with _opened(data, max_pixels) as (image, full, _):
        return _upright_rgb(image, full, factor)


def pixels_for(
    data: Came, factor: Callable[[int, int], int], max_pixels: int = MAX_PIXELS
) -> tuple[U8, tuple[int, int]]:
    """`decode_for` as an array: uint8 (H, W, 3), and the upright width and height of the file.

    A usual JPEG (grey or colour, upright, without a flaw) is decoded by `jpeg_pixels`, all else by Pillow; the pixels are
    the same.
    """
    plain = jpeg_size(data)
    if plain is not None and plain[0] * plain[1] <= max_pixels:
        pixels = jpeg_pixels(data, *plain, factor(*plain))
        if pixels is not None:
            return pixels, plain
    with _opened(data, max_pixels) as (image, full, orientation):
        if image.format == "JPEG" and image.mode in {"RGB", "L"} and orientation not in _TURNS:
            pixels = jpeg_pixels(data, *full, factor(*full))
            if pixels is not None:
                return pixels, full
        upright, size = _upright_rgb(image, full, factor)
        return np.array(upright), size


@contextmanager
def _opened(data: Came, max_pixels: int) -> Iterator[tuple[Image.Image, tuple[int, int], int]]:
    """The file with its header read, its upright size if it is a JPEG, and its orientation; all errors as reasons."""
    if not data:
        raise BrokenSampleError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_available()) as image:
            _check_size(image, max_pixels)
            width, height = image.size
            orientation = _orientation(image) if image.format == "JPEG" else 1
            yield image, (height, width) if orientation in _SIDEWAYS else (width, height), orientation
    except BrokenSampleError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise BrokenSampleError(f"{type(error).__name__}: {error}"[:300]) from error


def _upright_rgb(
    image: Image.Image, full: tuple[int, int], factor: Callable[[int, int], int]
) -> tuple[Image.Image, tuple[int, int]]:
    by = factor(*full) if image.format == "JPEG" else 1
    if by > 1:
        image.draft(None, (image.width // by, image.height // by))
    is_jpeg = image.format == "JPEG"
    image.load()
    upright = _rgb(_upright(image))
    return upright, full if is_jpeg else upright.size


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 5 to 8 swap width and height."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data: the image is taken as it lies
        return 1


@lru_cache(maxsize=1)
def _available() -> tuple[str, ...]:
    # Image.init() would import the plugins of forty formats.
    for name in FORMATS:
        with suppress(ImportError):
            import_module(f"PIL.{_PLUGINS.get(name, name.capitalize())}ImagePlugin")
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
