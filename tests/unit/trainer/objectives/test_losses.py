"""Each loss against its formula, written out sample by sample."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.objectives.dino.losses import dino_loss, ibot_loss, koleo_loss

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 5)
CLOSE = {"rel": 1e-6, "abs": 1e-9}


def logits(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1


def distributions(generator: torch.Generator, *shape: int) -> Tensor:
    return (5 * logits(generator, *shape)).softmax(-1)


def cross_entropy(prediction: list[float], target: list[float], temperature: float) -> float:
    total = sum(math.exp(x / temperature) for x in prediction)
    return -sum(
        t * math.log(math.exp(x / temperature) / total) for x, t in zip(prediction, target, strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, samples=SIZES, prototypes=st.integers(2, 9), local=st.integers(0, 4))
def test_dino_averages_the_cross_entropies_of_all_pairs_of_different_crops(
    seed: int, samples: int, prototypes: int, local: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    student = logits(generator, 2 + local, samples, prototypes)
    teacher = distributions(generator, 2, samples, prototypes)
    computed = dino_loss(student[:2], student[2:], teacher, 0.1)
    for sample in range(samples):
        pairs = [(s, t) for s in range(2 + local) for t in range(2) if s != t]
        terms = [
            cross_entropy(student[s, sample].tolist(), teacher[t, sample].tolist(), 0.1) for s, t in pairs
        ]
        assert len(pairs) == 2 + 2 * local
        assert computed[sample].item() == pytest.approx(sum(terms) / len(terms), **CLOSE)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, patches=st.integers(0, 7), prototypes=st.integers(2, 9))
def test_ibot_weights_the_cross_entropy_of_each_masked_patch(
    seed: int, patches: int, prototypes: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = logits(generator, patches, prototypes), distributions(generator, patches, prototypes)
    weights = torch.rand(patches, generator=generator, dtype=torch.float64)
    computed = ibot_loss(student, teacher, weights, 0.1)
    expected = [
        weights[m].item() * cross_entropy(student[m].tolist(), teacher[m].tolist(), 0.1)
        for m in range(patches)
    ]
    assert computed.tolist() == pytest.approx(expected, **CLOSE)


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    crops=st.integers(1, 2),
    groups=st.integers(1, 3),
    group_size=st.integers(2, 5),
    width=st.integers(2, 6),
)
def test_koleo_is_minus_the_log_distance_to_the_nearest_neighbour_in_the_group(
    seed: int, crops: int, groups: int, group_size: int, width: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = logits(generator, crops, groups * group_size, width)
    computed = koleo_loss(features, group_size)
    for crop in range(crops):
        for sample in range(groups * group_size):
            unit = [row / math.sqrt(sum(x * x for x in row.tolist())) for row in features[crop]]
            first = sample // group_size * group_size
            others = [other for other in range(first, first + group_size) if other != sample]
            mine = unit[sample].tolist()
            nearest = min(
                (unit[other].tolist() for other in others), key=lambda other: math.dist(mine, other)
            )
            # DINOv2 adds 1e-8 to each difference and to the distance.
            distance = math.dist([x + 1e-8 for x in mine], nearest) + 1e-8
            assert computed[crop, sample].item() == pytest.approx(-math.log(distance), **CLOSE)


def test_koleo_finds_the_nearest_neighbour_among_features_closer_than_products_can_tell() -> None:
    base = torch.nn.functional.normalize(torch.ones(64), dim=0)
    steps = torch.zeros(3, 64)
    steps[1, :32], steps[1, 32:] = 1e-6, -1e-6
    steps[2, :32], steps[2, 32:] = 4e-6, -4e-6
    computed = koleo_loss((base + steps)[None], group_size=3)[0]
    exact = koleo_loss((base.double() + steps.double())[None], group_size=3)[0]
    assert computed.tolist() == pytest.approx(exact.tolist(), rel=1e-2)


def test_identical_features_give_finite_koleo_loss_and_gradient() -> None:
    features = torch.ones(1, 4, 8, requires_grad=True)
    loss = koleo_loss(features, group_size=4).sum()
    loss.backward()
    assert loss.isfinite()
    assert features.grad is not None
    assert features.grad.isfinite().all()
