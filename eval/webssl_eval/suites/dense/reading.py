"""Patch features that a dense head reads: tokens of some layers side by side, with or without the CLS token beside each.

Shape letters: B images, S side of a view, R and C rows and columns of the patch grid, F features that the head reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from webssl_eval.encoders import Encoder


@dataclass(frozen=True)
class Reading:
    """layers: block numbers. normed: behind the final norm. with_cls: the CLS token of each layer stands beside its patches."""

    layers: tuple[int, ...]
    normed: bool
    with_cls: bool

    def width(self, encoder: Encoder) -> int:
        """Number of features F."""
        return encoder.width * len(self.layers) * (2 if self.with_cls else 1)

    def read(self, encoder: Encoder, views_B3SS: Tensor) -> Tensor:
        """Prepared views -> float32 (B, R, C, F)."""
        parts: list[Tensor] = []
        for output in encoder.encode_layers(views_B3SS, self.layers, self.normed):
            parts.append(output.patches)
            if self.with_cls:
                parts.append(output.cls[:, None, None].expand_as(output.patches))
        return torch.cat(parts, dim=-1)


def last_layers(depth: int, count: int) -> tuple[int, ...]:
    """The last `count` blocks, or all of a shallower encoder."""
    return tuple(range(max(0, depth - count), depth))


def spread_layers(depth: int, count: int) -> tuple[int, ...]:
    """Blocks at 1/count, 2/count, ... of the depth; fewer where some would coincide."""
    return tuple(sorted({max(0, depth * part // count - 1) for part in range(1, count + 1)}))
