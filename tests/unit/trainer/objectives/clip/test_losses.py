"""Each contrastive loss against its formula, written out number by number."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.objectives.clip.losses import Loss, infonce, siglip

batches = st.integers(1, 9)
seeds = st.integers(0, 2**31)
log_scales = st.floats(0.0, math.log(100))
biases = st.floats(-12.0, 3.0)


def features(seed: int, count: int, width: int = 5) -> tuple[Tensor, Tensor]:
    """Unit vectors of images and captions in float64."""
    x = torch.randn(2, count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    images, texts = F.normalize(x, dim=-1)
    return images, texts


def cosine(x: Tensor, y: Tensor) -> float:
    return sum(float(a) * float(b) for a, b in zip(x, y, strict=True))


def slow_infonce(images: Tensor, texts: Tensor, scale: float) -> list[float]:
    """-log( exp(s x_i y_i) / sum_j exp(s x_i y_j) ), and the same with the roles exchanged; sums over i."""
    totals = [0.0, 0.0]
    for direction, (queries, keys) in enumerate([(images, texts), (texts, images)]):
        for i, query in enumerate(queries):
            logits = [scale * cosine(query, key) for key in keys]
            top = max(logits)
            totals[direction] -= logits[i] - top - math.log(sum(math.exp(z - top) for z in logits))
    return totals


def slow_siglip(images: Tensor, texts: Tensor, scale: float, bias: float) -> list[float]:
    """log(1 + exp(-z (s x_i y_j + b))) over all pairs, z = 1 for i = j and -1 else."""
    total = 0.0
    for i, image in enumerate(images):
        for j, text in enumerate(texts):
            margin = (1.0 if i == j else -1.0) * (scale * cosine(image, text) + bias)
            total += max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))
    return [total]


def temper(log_scale: float, bias: float = 0.0) -> Tensor:
    return torch.tensor([log_scale, bias], dtype=torch.float64)


@settings(deadline=None)
@given(seed=seeds, count=batches, log_scale=log_scales)
def test_infonce_is_its_formula(seed: int, count: int, log_scale: float) -> None:
    images, texts = features(seed, count)
    found = infonce(images, texts, slice(0, count), temper(log_scale))
    assert found.tolist() == pytest.approx(
        slow_infonce(images, texts, math.exp(log_scale)), rel=1e-6, abs=1e-6
    )


@settings(deadline=None)
@given(seed=seeds, count=batches, log_scale=log_scales, bias=biases)
def test_siglip_is_its_formula(seed: int, count: int, log_scale: float, bias: float) -> None:
    images, texts = features(seed, count)
    found = siglip(images, texts, slice(0, count), temper(log_scale, bias))
    expected = slow_siglip(images, texts, math.exp(log_scale), bias)
    assert found.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("loss", [infonce, siglip])
@settings(deadline=None)
@given(seed=seeds, cuts=st.lists(st.integers(1, 4), min_size=1, max_size=4), log_scale=log_scales)
def test_rows_add_up_to_the_whole_however_they_are_cut(
    loss: Loss, seed: int, cuts: list[int], log_scale: float
) -> None:
    images, texts = features(seed, sum(cuts))
    whole = loss(images, texts, slice(0, sum(cuts)), temper(log_scale, -3.0))
    first, parts = 0, torch.zeros_like(whole)
    for size in cuts:
        parts += loss(images, texts, slice(first, first + size), temper(log_scale, -3.0))
        first += size
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


def test_matched_pairs_cost_nothing_and_exchanged_ones_much() -> None:
    images = torch.eye(4, dtype=torch.float64)
    for loss in (infonce, siglip):
        right = loss(images, images, slice(0, 4), temper(math.log(60), -30.0))
        wrong = loss(images, images.roll(1, 0), slice(0, 4), temper(math.log(60), -30.0))
        assert float(right.sum()) < 1e-6
        assert float(wrong.sum()) > 100
