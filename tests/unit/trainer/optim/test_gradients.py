"""Clipping of gradients, child by child."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from webssl_trainer.optim import clip_gradients


def two_children() -> nn.Module:
    module = nn.ModuleDict({"small": nn.Linear(2, 2, bias=False), "large": nn.Linear(2, 2, bias=False)})
    for child, value in zip(module.values(), (0.5, 50.0), strict=True):
        for parameter in child.parameters():
            parameter.grad = torch.full_like(parameter, value)
    return module


def gradient_norms(module: nn.Module) -> list[float]:
    return [float(p.grad.norm()) for p in module.parameters() if p.grad is not None]


def test_only_the_child_above_the_limit_is_clipped_and_both_norms_are_reported() -> None:
    module = two_children()
    norms = clip_gradients(module, 3.0)
    assert {name: float(norm) for name, norm in norms.items()} == pytest.approx(
        {"small": 1.0, "large": 100.0}
    )
    assert gradient_norms(module) == pytest.approx([1.0, 3.0], rel=1e-4)


def test_without_a_limit_norms_are_only_measured() -> None:
    module = two_children()
    clip_gradients(module, None)
    assert gradient_norms(module) == pytest.approx([1.0, 100.0])


def test_a_child_without_gradients_has_norm_zero_and_disturbs_nobody() -> None:
    module = two_children()
    module.add_module("idle", nn.Linear(2, 2))
    norms = clip_gradients(module, 3.0)
    assert float(norms["idle"]) == 0.0
    assert gradient_norms(module) == pytest.approx([1.0, 3.0], rel=1e-4)


def test_a_gradient_that_is_not_finite_is_reported_as_such() -> None:
    module = two_children()
    next(module.parameters()).grad[0, 0] = torch.nan  # type: ignore[index]
    norms = clip_gradients(module, 3.0)
    assert not norms["small"].isfinite()
    assert float(norms["large"]) == pytest.approx(100.0)
