"""Attention of new positions over many read ones, where several heads of queries share one of keys and values.

transformers repeats keys and values for every head of queries when there is a mask: for a batch of long prompts that copies more
than the rest of the model reads. Here the queries of one group stand in a row instead; the results are the same sums.

Shape letters: B sequences, Q heads of queries, K heads of keys and values, G = Q / K, L new positions, P all positions, d width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor

NAME = "webssl_grouped"


def grouped_attention(
    module: Any,
    query_BQLd: Tensor,
    key_BKPd: Tensor,
    value_BKPd: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' interface of attention functions: (B, L, Q, d), and no weights."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    batch, queries, new, width = query_BQLd.shape
    groups = queries // key_BKPd.shape[1]
    if attention_mask is None or groups == 1 or attention_mask.shape[1] != 1:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query_BQLd, key_BKPd, value_BKPd, attention_mask, scaling=scaling, **options
        )
        return found
    rows_BKRd = query_BQLd.reshape(batch, -1, groups * new, width)
    mask_B1RP = attention_mask.expand(batch, 1, new, -1).repeat(1, 1, groups, 1)
    out_BKRd = F.scaled_dot_product_attention(
        rows_BKRd, key_BKPd, value_BKPd, attn_mask=mask_B1RP, scale=scaling
    )
    return out_BKRd.reshape(batch, queries, new, width).transpose(1, 2).contiguous(), None


@contextmanager
def grouped(model: Any) -> Iterator[None]:
    """transformers' model with this attention, if its own is torch's; afterwards as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    before = model.config._attn_implementation
    if before != "sdpa":
        yield
        return
    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
