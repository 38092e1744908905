"""Curves and feature pictures: what is computed, and that every run can be drawn."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_trainer.observe.pictures.components import colours, principal_components
from webssl_trainer.observe.pictures.curves import CELL_WIDTH, COLUMNS, binned, log_ticks, loss_picture, ticks
from webssl_trainer.observe.pictures.features import feature_picture
from webssl_trainer.observe.pictures.history import History


def record(step: int, attempt: int = 1, skipped: bool = False, **losses: float) -> dict[str, Any]:
    return {
        "step": step,
        "attempt": attempt,
        "losses": losses or {"loss": 2.0},
        "lr": 0.1,
        "grad_norm": 1.0,
        "skipped": skipped,
    }


def test_history_knows_every_series_and_where_attempts_change() -> None:
    history = History()
    for one in (
        record(0, loss=3.0),
        record(1, loss=math.nan, ibot=1.0, skipped=True),
        record(2, 3, loss=1.0, ibot=2.0, dino=0.5),
    ):
        history.add(one)
    assert history.names == ["loss", "dino", "ibot", "learning rate", "gradient norm"]
    np.testing.assert_array_equal(history.series["ibot"], [math.nan, 1.0, 2.0])
    np.testing.assert_array_equal(history.series["dino"], [math.nan, math.nan, 0.5])
    assert (list(history.steps), history.skipped, history.changes) == ([0, 1, 2], [1], [2])


@given(values=st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=200), bins=st.integers(1, 50))
def test_no_spike_is_lost_in_bins(values: list[float], bins: int) -> None:
    found = binned(np.arange(len(values), dtype=np.float64), np.array(values, dtype=np.float64), bins)
    finite = [value for value in values if math.isfinite(value)]
    assert len(found.steps) <= bins
    assert (len(found.steps) == 0) is (not finite)
    if finite:
        assert (found.low.min(), found.high.max()) == (min(finite), max(finite))
        assert all(a < b for a, b in pairwise(found.steps))


@given(low=st.floats(-1e5, 1e5), room=st.floats(1e-3, 1e5))
def test_ticks_are_few_even_and_within_the_axis(low: float, room: float) -> None:
    found = ticks(low, low + room)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 * room <= tick <= low + room * (1 + 1e-6) for tick in found)


def test_ticks_of_a_logarithmic_axis_are_powers_of_ten() -> None:
    assert log_ticks(0.02, 300.0) == pytest.approx([0.1, 1.0, 10.0, 100.0])
    assert len(log_ticks(1e-9, 1e9)) <= 6


STEP = st.tuples(
    st.floats(-1e30, 1e30) | st.sampled_from([math.nan, math.inf]),
    st.floats(0, 1e30) | st.just(math.nan),
    st.booleans(),
    st.integers(0, 1),
)


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=8), first=st.integers(0, 10**7))
def test_every_history_can_be_drawn(steps: list[tuple[float, float, bool, int]], first: int) -> None:
    history, attempt = History(), 1
    for number, (loss, norm, skipped, restart) in enumerate(steps):
        attempt += restart
        history.add(record(first + number, attempt, skipped, loss=loss) | {"grad_norm": norm})
    with Image.open(io.BytesIO(loss_picture(history, "a run"))) as picture:
        assert picture.format == "PNG"
        assert picture.width == COLUMNS * CELL_WIDTH


def test_components_are_those_of_an_exact_decomposition() -> None:
    random = np.random.default_rng(1)
    x = (random.standard_normal((60, 20)) * np.geomspace(8, 0.1, 20)).astype(np.float32)
    found = principal_components(x)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    expected = u[:, :3] * s[:3]
    expected *= np.sign(expected[np.abs(expected).argmax(axis=0), np.arange(3)])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 4), (2, 5), (9, 2), (9, 1)])
def test_features_of_few_patches_or_few_channels_have_colours_too(shape: tuple[int, int]) -> None:
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert colours(principal_components(x)).shape == (shape[0], 3)
    assert colours(principal_components(np.ones(shape, dtype=np.float32))).shape == (shape[0], 3)


def test_patches_that_differ_most_get_the_ends_of_red() -> None:
    features = np.zeros((1, 4, 4, 6), dtype=np.float32)
    features[0, :, 2:, 3] = 5.0
    pixels = np.full((1, 3, 8, 8), 128, dtype=np.uint8)
    rgb = colours(principal_components(features.reshape(-1, 6))).reshape(4, 4, 3)
    assert set(rgb[:, :2, 0].flat) | set(rgb[:, 2:, 0].flat) == {0, 255}
    with Image.open(io.BytesIO(feature_picture(pixels, features, "encoder"))) as picture:
        assert picture.getpixel((40, 100)) == (128, 128, 128), "the image itself is above"
