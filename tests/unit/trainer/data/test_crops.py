"""Crops: geometry, and draws that belong to a position."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.crops import (
    Box,
    SampleCrops,
    crop_box,
    crop_boxes,
    crop_draws,
    crop_draws_for,
    cut,
    file_crops,
    sample_crops,
    spare_factor,
)
from webssl_trainer.data.decode import decode_for, decode_image
from webssl_trainer.data.draws import Purpose, uniforms, uniforms_for, uniforms_of
from webssl_trainer.data.eval_transform import EvalTransform

SPEC = CropSpec(global_size=32, local_size=16, n_local=3)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
RATIO = (3 / 4, 4 / 3)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 2**40))
def test_a_crop_lies_in_the_image_and_is_not_empty(width: int, height: int, position: int) -> None:
    draws = uniforms(0, position, Purpose.CROP_GEOMETRY, 41)
    box = crop_box(width, height, (0.05, 0.32), RATIO, 0.5, draws)
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height


def test_crops_cover_the_asked_share_of_the_area() -> None:
    shares = []
    for position in range(2000):
        box = crop_box(400, 400, (0.32, 1.0), RATIO, 0.5, uniforms(1, position, Purpose.CROP_GEOMETRY, 41))
        shares.append((box.right - box.left) * (box.bottom - box.top) / 400**2)
        assert RATIO[0] * 0.97 <= (box.right - box.left) / (box.bottom - box.top) <= RATIO[1] * 1.03
    assert 0.31 < min(shares) < 0.34
    assert max(shares) > 0.95


def test_an_image_too_narrow_for_any_crop_gives_its_largest_allowed_middle() -> None:
    box = crop_box(10, 1000, (0.9, 1.0), RATIO, 0.0, uniforms(0, 0, Purpose.CROP_GEOMETRY, 41))
    assert (box.left, box.right, box.bottom - box.top) == (0, 10, 13)


def test_about_half_of_the_crops_are_mirrored() -> None:
    flips = [
        crop_box(50, 50, (0.3, 1.0), RATIO, 0.5, uniforms(0, p, Purpose.CROP_GEOMETRY, 41)).flip
        for p in range(2000)
    ]
    assert 0.45 < np.mean(flips) < 0.55


def test_the_crops_of_a_position_are_the_same_whatever_was_drawn_before() -> None:
    first = sample_crops(PICTURE, SPEC, 5, 123)
    np.random.seed(99)
    sample_crops(PICTURE, SPEC, 5, 7)
    again = sample_crops(PICTURE, SPEC, 5, 123)
    assert np.array_equal(first.global_crops, again.global_crops)
    assert np.array_equal(first.local_crops, again.local_crops)


def test_other_positions_seeds_and_crops_differ() -> None:
    first = sample_crops(PICTURE, SPEC, 5, 123)
    assert not np.array_equal(first.global_crops, sample_crops(PICTURE, SPEC, 5, 124).global_crops)
    assert not np.array_equal(first.global_crops, sample_crops(PICTURE, SPEC, 6, 123).global_crops)
    assert not np.array_equal(first.local_crops[0], first.local_crops[1])


def test_shapes_follow_the_spec_also_without_local_crops() -> None:
    crops = sample_crops(PICTURE, SPEC, 0, 0)
    assert (crops.global_crops.shape, crops.local_crops.shape) == ((2, 3, 32, 32), (3, 3, 16, 16))
    assert crops.global_crops.dtype == np.uint8
    single = sample_crops(PICTURE, CropSpec(global_size=32, n_global=1, n_local=0), 0, 0)
    assert (single.global_crops.shape, single.local_crops.shape) == ((1, 3, 32, 32), (0, 3, 98, 98))


def smooth(width: int, height: int) -> Image.Image:
    """A picture whose neighbouring pixels are alike, as in photographs; no two places are the same."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    planes = [200 * x, 200 * y, 100 + 60 * np.sin(9 * x) * np.cos(7 * y)]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def apart(one: SampleCrops, other: SampleCrops) -> float:
    """Largest mean difference of a crop, in grey levels."""
    pairs = [*zip(one.global_crops, other.global_crops, strict=True)]
    pairs += [*zip(one.local_crops, other.local_crops, strict=True)]
    return max(float(np.abs(a.astype(int) - b.astype(int)).mean()) for a, b in pairs)


def test_crops_are_what_pillow_cuts_and_colours_are_left_to_the_device() -> None:
    picture = smooth(80, 60)
    boxes = crop_boxes(80, 60, SPEC, crop_draws(SPEC, 0, 0))
    sides = [SPEC.global_size] * SPEC.n_global + [SPEC.local_size] * SPEC.n_local
    cuts = [np.asarray(cut(picture, box, side)) for box, side in zip(boxes, sides, strict=True)]
    expected = SampleCrops(
        np.stack([image.transpose(2, 0, 1) for image in cuts[: SPEC.n_global]]),
        np.stack([image.transpose(2, 0, 1) for image in cuts[SPEC.n_global :]]),
    )
    assert apart(sample_crops(picture, SPEC, 0, 0), expected) < 1.0


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=4))
def test_no_crop_is_enlarged_because_its_image_was_decoded_smaller(sizes: list[tuple[int, int]]) -> None:
    spec = CropSpec(global_size=50, n_global=len(sizes), n_local=0)
    factor = spare_factor([Box(0, 0, w, h, False) for w, h in sizes], spec)
    assert factor in (1, 2, 4, 8)
    assert factor == 1 or all(min(size) / factor >= 50 for size in sizes)
    assert factor == 8 or any(min(size) / (2 * factor) < 50 for size in sizes)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (481, 643), (1001, 777)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_and_its_crops_show_the_same(
    width: int, height: int, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = jpeg(smooth(width, height), exif=exif)
    sizes = []

    def factor(w: int, h: int) -> int:
        sizes.append((w, h))
        return spare_factor(crop_boxes(w, h, SPEC, crop_draws(SPEC, 3, 7)), SPEC)

    image, size = decode_for(data, factor)
    upright = (width, height) if orientation == 1 else (height, width)
    assert sizes == [upright] == [size]
    assert image.width < 0.6 * size[0]
    assert apart(file_crops(data, SPEC, 3, 7), sample_crops(decode_image(data), SPEC, 3, 7)) < 2.0


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "GIF"])
def test_other_formats_are_decoded_whole(fmt: str) -> None:
    buffer = io.BytesIO()
    smooth(640, 480).save(buffer, fmt)
    image, size = decode_for(buffer.getvalue(), lambda _width, _height: 8)
    assert image.size == size == (640, 480)


def test_the_crops_of_a_file_are_a_function_of_file_seed_and_position() -> None:
    data = jpeg(smooth(700, 500))
    first = file_crops(data, SPEC, 5, 123)
    file_crops(data, SPEC, 5, 7)
    again = file_crops(data, SPEC, 5, 123)
    assert np.array_equal(first.global_crops, again.global_crops)
    assert np.array_equal(first.local_crops, again.local_crops)


def test_an_image_of_one_pixel_has_crops() -> None:
    assert sample_crops(Image.new("RGB", (1, 1), (9, 9, 9)), SPEC, 0, 0).global_crops.shape == (2, 3, 32, 32)


def test_draws_are_uniform_and_independent_by_purpose_and_index() -> None:
    rows = uniforms_for(3, range(500), Purpose.DROP_PATH, 8)
    assert rows.shape == (500, 8)
    assert abs(rows.mean() - 0.5) < 0.02
    assert np.array_equal(rows[7], uniforms(3, 7, Purpose.DROP_PATH, 8))
    assert not np.array_equal(rows[7], uniforms(3, 7, Purpose.BLOCK_MASK, 8))
    assert not np.array_equal(rows[7], uniforms(3, 7, Purpose.DROP_PATH, 8, index=1))


@given(
    st.integers(-(2**70), 2**70),
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 40)), max_size=6),
    st.integers(1, 14),
)
def test_draws_for_many_positions_are_those_of_numpy_bit_by_bit(
    seed: int, places: list[tuple[int, int]], count: int
) -> None:
    positions, indexes = (np.array([place[i] for place in places], dtype=np.int64) for i in (0, 1))
    rows = uniforms_for(seed, positions, Purpose.PHOTOMETRIC, count, indexes)
    assert rows.shape == (len(places), count)
    for row, (position, index) in zip(rows, places, strict=True):
        assert np.array_equal(row, uniforms(seed, position, Purpose.PHOTOMETRIC, count, index))


def test_more_draws_begin_with_the_fewer() -> None:
    assert np.array_equal(uniforms(0, 1, Purpose.TEXT, 3), uniforms(0, 1, Purpose.TEXT, 9)[:3])


@pytest.mark.parametrize("size", [(80, 60), (60, 80), (7, 300), (1, 1)])
def test_evaluation_views_have_one_shape_and_are_normalised(size: tuple[int, int]) -> None:
    view = EvalTransform(size=28, resize=32)(Image.new("RGB", size, (124, 116, 104)))
    assert (view.shape, view.dtype) == ((3, 28, 28), np.float32)
    assert np.abs(view).max() < 0.02


def test_evaluation_cuts_the_centre() -> None:
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 255
    assert EvalTransform(size=20).pixels(wide).min() >= 254


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**60), st.integers(1, 45), st.integers(0, 12))
def test_draws_of_several_indexes_are_those_of_each(
    seed: int, position: int, count: int, indexes: int
) -> None:
    rows = uniforms_of(seed, position, Purpose.CROP_GEOMETRY, count, indexes)
    assert rows.shape == (indexes, count)
    for index in range(indexes):
        assert np.array_equal(rows[index], uniforms(seed, position, Purpose.CROP_GEOMETRY, count, index))


def test_draws_made_together_are_those_made_alone() -> None:
    positions = [7, 0, 2**40, 7]
    together = crop_draws_for(SPEC, 3, positions)
    assert together.shape == (4, SPEC.n_global + SPEC.n_local, 41)
    for mine, position in zip(together, positions, strict=True):
        assert np.array_equal(mine, crop_draws(SPEC, 3, position))
    assert crop_draws_for(SPEC, 3, []).shape == (0, SPEC.n_global + SPEC.n_local, 41)
