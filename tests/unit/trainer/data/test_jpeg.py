"""The fast way for JPEG files gives Pillow's pixels, and leaves all flaws to Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from webssl_trainer.data.decode import BrokenSampleError, decode_for, pixels_for
from webssl_trainer.data.jpeg import jpeg_pixels, jpeg_size

SAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth, with edges and noise, so that all of the transform and the upsampling counts."""
    rng = np.random.default_rng(width * 1000 + height)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    values = np.stack(
        [x * 255 // max(1, width), y * 255 // max(1, height), (x // 7 + y // 5) % 2 * 200], axis=-1
    )
    noisy = np.clip(values + rng.integers(-20, 20, values.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["RGB", "L"]),
    sampling=st.sampled_from(sorted(SAMPLINGS)),
    progressive=st.booleans(),
    quality=st.integers(30, 98),
    by=st.sampled_from([1, 2, 4, 8]),
)
def test_pixels_are_those_of_pillow_bit_for_bit(
    width: int, height: int, mode: str, sampling: str, progressive: bool, quality: int, by: int
) -> None:
    by = max(
        factor
        for factor in (1, 2, 4, 8)
        if (factor <= by and min(width, height) >= factor * 4) or factor == 1
    )
    data = jpeg(picture(width, height, mode), quality=quality, subsampling=SAMPLINGS[sampling],
                progressive=progressive)  # fmt: skip
    fast = jpeg_pixels(data, width, height, by)
    assert fast is not None
    assert jpeg_size(data) == (width, height)
    slow, size = decode_for(data, lambda _width, _height: by)
    assert size == (width, height)
    assert np.array_equal(fast, np.asarray(slow))


@pytest.mark.parametrize("orientation", range(10))
def test_turned_files_come_upright_whichever_way_reads_them(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = jpeg(picture(50, 31), exif=exif)
    pixels, size = pixels_for(data, lambda _width, _height: 1)
    image, expected = decode_for(data, lambda _width, _height: 1)
    assert size == expected == ((31, 50) if 5 <= orientation <= 8 else (50, 31))
    assert np.array_equal(pixels, np.asarray(image))


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_files_that_only_pillow_knows_are_read_by_it(mode: str) -> None:
    fmt = "JPEG" if mode == "CMYK" else "PNG"
    buffer = io.BytesIO()
    picture(40, 30, mode).save(buffer, fmt)
    pixels, _ = pixels_for(buffer.getvalue(), lambda _width, _height: 1)
    assert np.array_equal(pixels, np.asarray(decode_for(buffer.getvalue(), lambda _w, _h: 1)[0]))


@settings(deadline=None, max_examples=60)
@given(at=st.floats(0, 1), noise=st.binary(max_size=6), cut=st.booleans(), by=st.sampled_from([1, 2]))
def test_of_damaged_files_both_ways_say_the_same(at: float, noise: bytes, cut: bool, by: int) -> None:
    whole = jpeg(picture(64, 48), quality=80)
    place = round(at * len(whole))
    damaged = whole[:place] + noise + (b"" if cut else whole[place + len(noise) :])

    def outcome(pixels: bool) -> object:
        try:
            made, size = (pixels_for if pixels else decode_for)(damaged, lambda _width, _height: by)
            return np.asarray(made).tobytes(), size
        except BrokenSampleError as broken:
            return broken.reason.partition(" at 0x")[0]

    assert outcome(pixels=True) == outcome(pixels=False)


def test_a_file_with_a_flaw_is_left_to_pillow() -> None:
    whole = jpeg(picture(64, 48))
    assert jpeg_pixels(whole, 64, 48, 1) is not None
    assert jpeg_pixels(whole[: len(whole) // 2], 64, 48, 1) is None
    assert jpeg_pixels(b"\x89PNG", 64, 48, 1) is None
    assert jpeg_pixels(whole, 63, 48, 1) is None


@settings(deadline=None, max_examples=400)
@given(data=st.data(), mode=st.sampled_from(["RGB", "L"]), progressive=st.booleans())
def test_a_header_with_a_damaged_byte_is_read_as_pillow_reads_it(
    data: st.DataObject, mode: str, progressive: bool
) -> None:
    whole = bytearray(jpeg(picture(40, 24, mode), quality=70, progressive=progressive, comment=b"a word"))
    header = bytes(whole).index(b"\xff\xda")
    whole[data.draw(st.integers(0, header + 12))] = data.draw(st.integers(0, 255))
    try:
        slow, size = decode_for(bytes(whole), lambda _width, _height: 1)
        expected: object = np.asarray(slow).tobytes(), size
    except BrokenSampleError:
        expected = None
    try:
        fast, size = pixels_for(bytes(whole), lambda _width, _height: 1)
        found: object = fast.tobytes(), size
    except BrokenSampleError:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({}, True),
        ({"icc_profile": b"a profile of colours"}, True),
        ({"comment": b"a word"}, True),
        ({"progressive": True, "optimize": True}, True),
        ({"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, False),
        ({"xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"}, False),
    ],
)
def test_what_may_turn_an_image_is_left_to_pillow(options: dict[str, object], known: bool) -> None:
    assert (jpeg_size(jpeg(picture(30, 20), **options)) == (30, 20)) is known


def test_a_file_in_the_middle_of_an_answer_is_read_like_one_alone() -> None:
    alone = jpeg(picture(64, 48))
    view = memoryview(b"xx" + alone + b"yy")[2:-2]
    assert jpeg_size(view) == jpeg_size(alone) == (64, 48)
    pixels, expected = jpeg_pixels(view, 64, 48, 2), jpeg_pixels(alone, 64, 48, 2)
    assert pixels is not None
    assert np.array_equal(pixels, expected)


def test_only_plain_headers_are_read() -> None:
    whole = jpeg(picture(30, 20))
    assert jpeg_size(jpeg(picture(30, 20, "CMYK"))) is None
    assert jpeg_size(b"") is None
    assert jpeg_size(b"\x89PNG\r\n") is None
    scan = whole.index(b"\xff\xda")
    assert all(jpeg_size(whole[:cut]) is None for cut in range(scan))
