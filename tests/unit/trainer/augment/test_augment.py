"""Colour and blur on the device: what Pillow does, by the same draws, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from webssl_trainer.augment import Crops, blur, colour, crops, prepare
from webssl_trainer.augment.effects import draw_effects
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec, Photometric
from webssl_trainer.data.draws import Purpose, uniforms

from tests.unit.trainer.augment import reference

CPU = torch.device("cpu")
SIDE, COUNT, SEED = 48, 48, 3
OFF: dict[str, Any] = {"jitter": 0.0, "grey": 0.0, "blur": 0.0, "solarise": 0.0}
STILL: dict[str, Any] = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
SPEC = CropSpec(global_size=SIDE, local_size=20, n_local=3)


def smooth(side: int, number: int) -> NDArray[np.uint8]:
    """A picture of a few soft spots of all colours."""
    few = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(few).resize((side, side), Image.Resampling.BICUBIC))


def pictures(side: int = SIDE, count: int = COUNT) -> NDArray[np.uint8]:
    """uint8 (count, side, side, 3)."""
    return np.stack([smooth(side, number) for number in range(count)])


def changed(recipe: Photometric, images: NDArray[np.uint8], number: int = 0) -> NDArray[np.float32]:
    """By tensors, in values of 0 to 255: (S, H, W, 3)."""
    effects = draw_effects([recipe], SEED, np.arange(len(images)), number)
    values = torch.from_numpy(images).movedim(3, 1).contiguous()
    bare = Crops(values, effects, (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
    return np.asarray(bare.pixels().movedim(1, 3).numpy())


def expected(recipe: Photometric, images: NDArray[np.uint8], number: int = 0) -> NDArray[np.uint8]:
    """By Pillow."""
    made = [
        reference.photometric(Image.fromarray(image), recipe, SEED, position, number)
        for position, image in enumerate(images)
    ]
    return np.stack([np.asarray(image) for image in made])


# Pillow cuts every result to whole numbers, half a value lost on average; holds hue in 1/255 of the circle and turns it
# in 1/256; and blurs by three boxes. (Most that one pixel may differ, most that they may on average, in 255ths.)
@pytest.mark.parametrize(
    ("settings_of", "most", "average"),
    [
        ({"jitter": 1.0, **STILL, "brightness": 0.4}, 1.01, 0.5),
        ({"jitter": 1.0, **STILL, "contrast": 0.4}, 1.25, 0.5),
        ({"jitter": 1.0, **STILL, "saturation": 0.2}, 1.25, 0.5),
        ({"jitter": 1.0, **STILL, "hue": 0.1}, 14.0, 0.7),
        ({"grey": 1.0}, 0.51, 0.3),
        ({"blur": 1.0}, 4.0, 0.6),
        ({"solarise": 1.0}, 0.0, 0.0),
        ({"jitter": 0.8, "grey": 0.2, "blur": 0.5, "solarise": 0.2}, 20.0, 1.5),
    ],
    ids=["brightness", "contrast", "saturation", "hue", "grey", "blur", "solarise", "all"],
)
def test_each_effect_is_that_of_pillow(settings_of: dict[str, Any], most: float, average: float) -> None:
    recipe, images = Photometric(**{**OFF, **settings_of}), pictures()
    difference = np.abs(changed(recipe, images) - expected(recipe, images))
    assert (changed(recipe, images) != images).any()
    assert difference.max() <= most
    assert difference.mean() <= average


def test_a_recipe_of_zeros_changes_nothing() -> None:
    images = pictures(count=3)
    assert np.array_equal(changed(Photometric(**OFF), images), images)


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20), st.floats(-0.5, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_turn_of_hue_is_that_of_the_colour_circle(pixels: list[tuple[int, ...]], turn: float) -> None:
    import colorsys

    x_13HW = torch.tensor(pixels, dtype=torch.float32).T.reshape(1, 3, 1, -1)
    by_hand = []
    for red, green, blue in pixels:
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        by_hand.append(colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value))
    result = colour.turned(x_13HW, torch.tensor([turn])).reshape(3, -1).T
    torch.testing.assert_close(result, torch.tensor(by_hand, dtype=torch.float32), rtol=0, atol=2e-3)


def test_solarised_values_of_128_and_more_are_inverted() -> None:
    values = torch.arange(256, dtype=torch.float32).expand(1, 3, 1, 256)
    inverted = torch.where(values < 128, values, 255 - values)
    assert torch.equal(colour.solarised(values), inverted)


def gaussian(sigma: float, side: int) -> NDArray[np.float64]:
    """A blur along one axis as a matrix of all pixels on all pixels, edges repeated, out to eight deviations."""
    reach = 1 + int(8 * sigma)
    weights = np.array([np.exp(-(d**2) / (2 * sigma**2)) for d in range(-reach, reach + 1)])
    weights /= weights.sum()
    matrix = np.zeros((side, side))
    for row in range(side):
        for d, weight in zip(range(-reach, reach + 1), weights, strict=True):
            matrix[row, min(max(row + d, 0), side - 1)] += weight
    return matrix


def test_the_blur_is_a_gaussian_of_the_drawn_deviation() -> None:
    recipe = Photometric(**{**OFF, "blur": 1.0})
    images = np.random.default_rng(0).integers(0, 256, (8, 20, 20, 3), dtype=np.uint8)
    result = changed(recipe, images)
    for position, image in enumerate(images):
        drawn = uniforms(SEED, position, Purpose.PHOTOMETRIC, 13, 0)[11]
        matrix = gaussian(0.1 + drawn * 1.9, 20)
        wanted = np.einsum("ij,kl,jlc->ikc", matrix, matrix, image.astype(float))
        assert (
            np.abs(result[position] - wanted).max() < 1.0
        )  # the kernel ends at three deviations of the widest


@pytest.mark.parametrize("dim", [2, 3])
def test_shifted_sums_and_the_convolution_of_gpus_are_one_blur(dim: int) -> None:
    x = torch.rand(3, 3, 11, 7) * 255
    kernel = torch.tensor([[0.5, 0.2, 0.05], [1.0, 0.0, 0.0], [0.4, 0.2, 0.1]])
    torch.testing.assert_close(
        blur._shifted(x, kernel, dim), blur._convolved(x, kernel, dim), rtol=1e-5, atol=1e-4
    )


def batch_of(positions: NDArray[np.int64]) -> Batch:
    def crops_of(kind: int, count: int, side: int) -> Tensor:
        made = [
            [smooth(side, 100 * int(p) + 10 * kind + c).transpose(2, 0, 1) for p in positions]
            for c in range(count)
        ]
        return torch.from_numpy(np.array(made))

    return Batch(
        positions=positions,
        sample_ids=[str(p) for p in positions],
        global_crops=crops_of(0, 2, SPEC.global_size),
        local_crops=crops_of(1, 3, SPEC.local_size),
    )


def by_position(positions: NDArray[np.int64], seed: int = SEED) -> list[Tensor]:
    """Pixels of global and local crops, (crops, N, 3, H, W)."""
    prepared = prepare(batch_of(positions), SPEC, seed, CPU)
    return [torch.unflatten(part.pixels(), 0, (-1, len(positions))) for part in prepared]


@pytest.mark.parametrize("at_once", [1, 1 << 14, 1 << 30])
def test_a_crop_is_the_same_to_the_last_bit_in_any_batch(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = by_position(np.arange(40, 52))
    monkeypatch.setitem(crops._AT_ONCE, "cpu", at_once)
    parts = [by_position(np.arange(first, first + size)) for first, size in ((40, 1), (41, 3), (44, 8))]
    for whole, *pieces in zip(together, *parts, strict=True):
        assert torch.equal(whole, torch.cat(pieces, dim=1))


def test_each_crop_has_the_draws_of_its_number_and_the_recipe_of_its_kind() -> None:
    mixed = replace(
        SPEC,
        photometric_global=(Photometric(**{**OFF, "grey": 1.0}), Photometric(**{**OFF, "solarise": 1.0})),
        photometric_local=Photometric(**{**OFF, "jitter": 1.0}),
        mean=(0.0, 0.0, 0.0),
        std=(1 / 255, 1 / 255, 1 / 255),
    )
    given_ = batch_of(np.arange(4))
    large, small = (torch.unflatten(x.pixels(), 0, (-1, 4)) for x in prepare(given_, mixed, SEED, CPU))
    assert torch.equal(large[0, :, 0], large[0, :, 1])
    assert torch.equal(large[1], colour.solarised(given_.global_crops[1].float()))
    for number in range(3):
        images = given_.local_crops[number].movedim(1, 3).numpy()
        wanted = expected(mixed.photometric_local or Photometric(), images, number=2 + number)
        assert np.abs(small[number].movedim(1, 3).numpy() - wanted).mean() < 2.0
    assert not torch.equal(by_position(np.arange(4))[0], by_position(np.arange(4), seed=9)[0])


def test_without_a_photometric_part_crops_are_only_normalised() -> None:
    plain = replace(SPEC, photometric_global=(), photometric_local=None, n_local=0)
    given_ = batch_of(np.arange(2))
    (only,) = prepare(given_, plain, SEED, CPU)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (plain.mean, plain.std))
    wanted = (given_.global_crops.flatten(0, 1) / 255 - mean) / std
    torch.testing.assert_close(only.pixels(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blur_of", [blur._shifted, blur._convolved], ids=["CPU", "GPU"])
def test_autocast_does_not_coarsen_pixels(
    blur_of: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blur, "_shifted", blur_of)
    full = by_position(np.arange(3))
    with torch.autocast("cpu", torch.bfloat16):
        under = by_position(np.arange(3))
    assert all(torch.equal(a, b) for a, b in zip(full, under, strict=True))


def test_pixels_are_finite_also_for_images_of_one_colour_and_one_pixel() -> None:
    for side in (1, 2, 5):
        flat = np.stack(
            [np.full((side, side, 3), v, dtype=np.uint8) for v in (0, 128, 255) for _ in range(8)]
        )
        result = changed(Photometric(jitter=1.0, blur=1.0, blur_sigma=(0.0, 2.0), solarise=0.5), flat)
        assert np.isfinite(result).all()
        assert 0 <= result.min() <= result.max() <= 255.001


def test_crops_that_are_not_bytes_are_refused() -> None:
    floats = replace(batch_of(np.arange(1)), global_crops=torch.zeros(2, 1, 3, 8, 8))
    with pytest.raises(TypeError, match=r"crops of torch.float32: hand over uint8"):
        prepare(floats, SPEC, SEED, CPU)
