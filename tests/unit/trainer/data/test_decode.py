"""Decoding: every kind of image becomes RGB, and nothing a file holds gets through as an exception."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_trainer.data.decode import BrokenSampleError, decode_image


def encoded(image: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


JPEG, PNG = encoded(gradient(), "JPEG"), encoded(gradient(), "PNG")


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_common_formats_become_rgb_with_about_the_same_pixels(fmt: str) -> None:
    image = decode_image(encoded(gradient(), fmt))
    assert (image.mode, image.size) == ("RGB", (40, 30))
    difference = np.abs(np.asarray(image).astype(int) - np.asarray(gradient()).astype(int))
    assert difference.mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB"])
def test_other_colour_models_become_rgb(mode: str) -> None:
    fmt = {"CMYK": "JPEG", "YCbCr": "JPEG", "LAB": "TIFF"}.get(mode, "PNG")
    assert decode_image(encoded(gradient().convert("RGB").convert(mode) if mode != "LAB" else
                                Image.new("LAB", (40, 30)), fmt)).mode == "RGB"  # fmt: skip


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode_image(encoded(clear, "PNG")).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encoded(half, "PNG")).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_palette_entry_is_laid_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert decode_image(encoded(palette, "PNG", transparency=1)).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encoded(palette, "PNG", transparency=0)).getpixel((0, 0)) == (10, 20, 30)


def test_sixteen_bit_greys_keep_their_high_byte() -> None:
    values = np.array([[0, 256 * 100 + 5, 65535]], dtype=np.uint16)
    image = decode_image(encoded(Image.fromarray(values), "PNG"))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 100, 255]


def test_floats_become_bytes_and_those_that_are_no_numbers_a_reason() -> None:
    values = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    assert np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]
    for bad in (np.nan, np.inf, -np.inf):
        values[0, 1] = bad
        with pytest.raises(BrokenSampleError, match="1 of 3 pixels are NaN or infinite"):
            decode_image(encoded(Image.fromarray(values), "TIFF"))


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(encoded(gradient(), "JPEG", exif=exif)).size == (30, 40)


def test_damaged_exif_does_not_spoil_the_pixels() -> None:
    assert decode_image(encoded(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")).size == (40, 30)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).getpixel((0, 0)) == (255, 0, 0)


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    with pytest.raises(BrokenSampleError, match="24961 x 24961 pixels are more than the limit"):
        decode_image(png_header(24961, 24961))


def test_the_limit_is_an_argument() -> None:
    with pytest.raises(BrokenSampleError, match="40 x 30 pixels are more than the limit of 1199"):
        decode_image(PNG, max_pixels=1199)
    assert decode_image(PNG, max_pixels=1200).size == (40, 30)


@pytest.mark.parametrize(
    "data", [b"", b"hello", JPEG[: len(JPEG) // 2], PNG[: len(PNG) // 2], png_header(50, 50)]
)
def test_what_is_not_a_whole_image_is_broken_with_a_reason(data: bytes) -> None:
    with pytest.raises(BrokenSampleError) as caught:
        decode_image(data)
    assert caught.value.reason


@settings(deadline=None)
@given(st.sampled_from([JPEG, PNG]), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_give_an_image_or_a_reason_and_nothing_else(
    whole: bytes, at: int, noise: bytes
) -> None:
    at %= len(whole)
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with contextlib.suppress(BrokenSampleError):
        assert decode_image(damaged).mode == "RGB"
