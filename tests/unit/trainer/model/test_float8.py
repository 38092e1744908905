"""Float8 products against fp32. Tolerances follow from the mantissas: a number in e4m3 is off by at most 1/16 of
itself, one in e5m2 by 1/8, and errors of a sum of many products mostly cancel."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.model import Compute, VisionTransformer, VitConfig, initialise
from webssl_trainer.model.float8 import BACKWARD, FORWARD, aligned, float8_linear, rounded


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def off(found: Tensor, expected: Tensor) -> float:
    """Error relative to the size of all numbers."""
    return float(
        (found.detach().float() - expected.detach().float()).norm() / expected.detach().float().norm()
    )


@settings(deadline=None)
@given(st.integers(0, 99), st.sampled_from([1e-6, 1.0, 3e4]), st.sampled_from([FORWARD, BACKWARD]))
def test_numbers_keep_the_precision_of_their_format_whatever_their_size(
    seed: int, size: float, dtype: torch.dtype
) -> None:
    x = drawn(40, 7, seed=seed, scale=size)
    values, scale = rounded(x, dtype)
    step = 1 / 16 if dtype == FORWARD else 1 / 8
    smallest = torch.finfo(dtype).smallest_normal * scale
    error = (values.float() * scale - x).abs()
    assert bool((error <= step * x.abs() + step * smallest).all())
    assert float(values.float().abs().max()) == torch.finfo(dtype).max


def test_zeros_stay_zero_and_what_is_not_finite_stays_so() -> None:
    assert not rounded(torch.zeros(3, 3), FORWARD).values.float().any()
    for bad in (torch.nan, torch.inf):
        x = torch.ones(3)
        x[1] = bad
        values, scale = rounded(x, FORWARD)
        assert not bool((values.float() * scale).isfinite().all())


@pytest.mark.parametrize("tokens", [1, 37])
def test_a_float8_layer_is_within_five_percent_of_a_linear_layer_in_both_passes(tokens: int) -> None:
    x, weight, bias = drawn(tokens, 64), drawn(48, 64, seed=1, scale=0.02), drawn(48, seed=2)
    toward = drawn(tokens, 48, seed=3)
    results = []
    for layer in (float8_linear, F.linear):
        inputs = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y = layer(*inputs)
        results.append([y, *torch.autograd.grad(y, inputs, toward)])
    y, gradient_x, gradient_weight, gradient_bias = (off(*pair) for pair in zip(*results, strict=True))
    assert y < 0.05
    assert gradient_x < 0.08  # the gradient has two bits of mantissa
    assert gradient_weight < 0.08
    assert gradient_bias == 0


def test_a_layer_without_tokens_gives_none_and_gradients_of_zero() -> None:
    x, weight = torch.zeros(0, 64, requires_grad=True), drawn(48, 64).requires_grad_()
    float8_linear(x, weight, None).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.shape == (0, 64)
    assert weight.grad is not None
    assert not weight.grad.any()


def test_under_autocast_results_are_bf16_and_gradients_are_those_of_the_parameters() -> None:
    x, weight = drawn(8, 32).requires_grad_(), drawn(16, 32).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = float8_linear(x, weight, None)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_sizes_that_the_kernel_does_not_take_are_filled_up_with_zeros() -> None:
    x = rounded(drawn(5, 24), FORWARD).values
    filled = aligned(x)
    assert filled.shape == (16, 32)
    assert torch.equal(filled[:5, :24].float(), x.float())
    assert float(filled.float().abs().sum()) == float(x.float().abs().sum())
    assert aligned(x.t()[:16].t()[:0]).shape == (0, 16)
    transposed = rounded(drawn(32, 16), FORWARD).values.t()
    assert aligned(transposed).is_contiguous()


def test_a_network_in_float8_gives_features_close_to_those_in_fp32() -> None:
    config = VitConfig(width=64, depth=3, heads=2, patch_size=4, image_size=16, layer_scale=0.1)
    features = []
    for compute in (Compute(), Compute(float8=True)):
        vit = VisionTransformer(config)
        initialise(vit, seed=0)
        for block in vit.blocks:
            block.use(compute)
        (output,) = vit([drawn(2, 3, 16, 16)])
        features.append(output.patches)
    assert not torch.equal(*features)
    assert off(features[1], features[0]) < 0.05


def test_float8_products_go_into_a_compiled_graph_whole() -> None:
    weight = drawn(48, 64).requires_grad_()
    graph = torch.compile(float8_linear, dynamic=True, fullgraph=True, backend="aot_eager")
    for tokens in (40, 21):
        x = drawn(tokens, 64, seed=tokens).requires_grad_()
        results = []
        for layer in (float8_linear, graph):
            y = layer(x, weight, None)
            results.append([y, *torch.autograd.grad(y.square().sum(), [x, weight])])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other)
