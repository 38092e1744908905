"""Attention over packed sequences of different lengths, in one call and part by part."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.model.attention import attend, boundaries, in_one_call, part_by_part
from webssl_trainer.model.packing import Part

HEADS, WIDTH = 2, 16
PARTS = st.lists(st.builds(Part, st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=3)


def plain_kernel(
    q_THd: Tensor,
    k_THd: Tensor,
    v_THd: Tensor,
    ends_q: Tensor,
    ends_k: Tensor,
    longest_q: int,
    longest_k: int,
) -> Tensor:
    """What `torch.nn.attention.varlen.varlen_attn` documents: every token attends to those between its boundaries."""
    assert ends_q.dtype == ends_k.dtype == torch.int32
    assert int(ends_q[-1]) == len(q_THd)
    assert longest_q == longest_k == int(ends_q.diff().max())
    number_T = torch.bucketize(torch.arange(len(q_THd)), ends_q, right=True)
    same_TT = number_T[:, None] == number_T
    scores_HTT = torch.einsum("qhd,khd->hqk", q_THd, k_THd) / q_THd.shape[-1] ** 0.5
    weights_HTT = scores_HTT.masked_fill(~same_TT, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights_HTT, v_THd)


@given(PARTS)
def test_boundaries_are_where_sequences_begin_and_the_last_one_ends(layout: list[Part]) -> None:
    lengths = [part.length for part in layout for _ in range(part.count)]
    expected = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    found = boundaries(layout, torch.device("cpu"))
    assert found.tolist() == expected
    assert found.dtype == torch.int32


@settings(deadline=None, max_examples=30)
@given(PARTS.filter(lambda layout: any(part.count for part in layout)), st.integers(0, 99))
def test_one_call_for_all_lengths_equals_a_call_for_each_part(layout: list[Part], seed: int) -> None:
    tokens = sum(part.tokens for part in layout)
    generator = torch.Generator().manual_seed(seed)
    qkv_TE = torch.randn(tokens, 3 * WIDTH, dtype=torch.float64, generator=generator, requires_grad=True)
    weights_TD = torch.randn(tokens, WIDTH, dtype=torch.float64, generator=generator)
    found, expected = (
        in_one_call(qkv_TE, layout, HEADS, plain_kernel),
        part_by_part(qkv_TE, layout, HEADS),
    )
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((y * weights_TD).sum(), qkv_TE)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_nothing_is_copied_on_the_way_into_one_call_and_out_of_it() -> None:
    qkv_TE, seen = torch.randn(6, 3 * WIDTH), {}

    def kernel(q: Tensor, k: Tensor, v: Tensor, *rest: object) -> Tensor:
        assert [x.untyped_storage().data_ptr() for x in (q, k, v)] == [
            qkv_TE.untyped_storage().data_ptr()
        ] * 3
        seen["y"] = torch.zeros(q.shape)
        return seen["y"]

    y_TD = in_one_call(qkv_TE, [Part(2, 3)], HEADS, kernel)
    assert y_TD.data_ptr() == seen["y"].data_ptr()


@pytest.mark.parametrize("layout", [[], [Part(0, 5)]])
def test_no_sequences_give_no_tokens_and_keep_the_graph(layout: list[Part]) -> None:
    qkv_TE = torch.zeros(0, 3 * WIDTH, requires_grad=True)
    y_TD = attend(qkv_TE, layout, HEADS)
    assert y_TD.shape == (0, WIDTH)
    assert y_TD.requires_grad
