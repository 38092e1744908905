"""Self-attention within each sequence of a packed batch: one call for all lengths where there is a kernel for it.

Shape letters: T all tokens of a packed batch, D width, H heads, d width of a head, B sequences of a part of L tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from webssl_trainer.model.packing import Part, unpack

VarlenKernel = Callable[..., Any]
"""Takes q, k, v (T, H, d), boundaries of queries and of keys (int32, sequences + 1), longest query and longest key;
gives (T, H, d). `torch.nn.attention.varlen.varlen_attn` is one."""


def attend(qkv_TE: Tensor, layout: Sequence[Part], heads: int) -> Tensor:
    """Attention of every sequence to itself, scaled by d**-0.5.

    Half precision on a GPU takes one call of the flash kernel for sequences of different lengths, so that small local
    crops do not get kernels of their own. Anything else takes one call for each part. The GPU's path was not run on a
    GPU by this project's tests: they run `in_one_call` on a CPU with a plain kernel in the place of the flash kernel.

    Args:
        qkv_TE: (T, 3 D): queries, keys and values, each D wide, head by head.
        layout: the sequences, see `packing.pack`.
        heads: number of heads; it divides D.

    Returns:
        (T, D).
    """
    if not len(qkv_TE):  # every image dropped the branch; the graph stays whole
        return qkv_TE.chunk(3, dim=-1)[0]
    if qkv_TE.is_cuda and qkv_TE.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn  # it looks for kernels of GPUs

        return in_one_call(qkv_TE, layout, heads, varlen_attn)
    return part_by_part(qkv_TE, layout, heads)


def part_by_part(qkv_TE: Tensor, layout: Sequence[Part], heads: int) -> Tensor:
    """`attend` with one call for each part."""
    outputs = []
    for qkv_BLE in unpack(qkv_TE, layout):
        if not len(qkv_BLE):
            outputs.append(qkv_BLE.chunk(3, dim=-1)[0].flatten(0, 1))
            continue
        q, k, v = torch.unflatten(qkv_BLE, -1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        y_BHLd = F.scaled_dot_product_attention(q, k, v)
        outputs.append(y_BHLd.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(outputs)


def in_one_call(qkv_TE: Tensor, layout: Sequence[Part], heads: int, kernel: VarlenKernel) -> Tensor:
    """`attend` with one call for all sequences. Neither inputs nor output are copied."""
    q, k, v = torch.unflatten(qkv_TE, -1, (3, heads, -1)).unbind(1)
    ends = boundaries(layout, qkv_TE.device)
    longest = max(part.length for part in layout if part.count)
    y_THd: Tensor = kernel(q, k, v, ends, ends, longest, longest)
    return y_THd.flatten(1)


def boundaries(layout: Sequence[Part], device: torch.device) -> Tensor:
    """Where each sequence begins and the last one ends: int32 (sequences + 1,), rising from 0.

    Made on the device from numbers known here: a copy of a list would wait for the device.
    """
    pieces, first = [], 0
    for part in layout:
        if part.count:
            end = first + part.tokens
            pieces.append(torch.arange(first, end, part.length, dtype=torch.int32, device=device))
            first = end
    pieces.append(torch.full((1,), first, dtype=torch.int32, device=device))
    return torch.cat(pieces)
