"""The loss of MAE against its formulas, written out number by number."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.objectives.mae.losses import normalised, patch_pixels, reconstruction_loss


def by_the_formulas(image_CHW: Tensor, predicted_LP: Tensor, hidden: list[int], p: int) -> float:
    """Mean over hidden patches of the mean over values of (prediction - (pixel - mean) / sqrt(var + 1e-6))^2."""
    columns = image_CHW.shape[2] // p
    total = 0.0
    for patch in hidden:
        top, left = patch // columns * p, patch % columns * p
        values = [
            image_CHW[channel, top + row, left + column].item()
            for row in range(p)
            for column in range(p)
            for channel in range(3)
        ]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        targets = [(value - mean) / math.sqrt(variance + 1e-6) for value in values]
        squares = [(float(x) - y) ** 2 for x, y in zip(predicted_LP[patch], targets, strict=True)]
        total += sum(squares) / len(squares)
    return total / len(hidden)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    p=st.integers(2, 4),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    contrast=st.floats(1e-3, 10),
    data=st.data(),
)
def test_the_loss_of_an_image_is_that_of_the_formulas(
    seed: int, p: int, rows: int, columns: int, contrast: float, data: st.DataObject
) -> None:
    patches = list(range(rows * columns))
    hidden = sorted(data.draw(st.sets(st.sampled_from(patches), min_size=1)))
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, rows * p, columns * p)
    images = contrast * torch.randn(shape, generator=generator, dtype=torch.float64)
    predicted = torch.randn((2, len(patches), 3 * p * p), generator=generator, dtype=torch.float64)
    target = normalised(patch_pixels(images, p)[:, hidden])
    losses = reconstruction_loss(predicted[:, hidden], target)
    for image, prediction, loss in zip(images, predicted, losses, strict=True):
        assert loss.item() == pytest.approx(by_the_formulas(image, prediction, hidden, p), rel=1e-6)


def test_a_patch_of_one_colour_has_targets_of_zero() -> None:
    flat = torch.full((1, 1, 12), 0.3)
    assert normalised(flat).abs().max() < 1e-3
