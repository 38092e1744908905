"""Several batches of token sequences laid end to end, so that linear layers see one matrix.

Shape letters: T all tokens of a packed batch, D width, B sequences of one part, L tokens of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """`count` sequences of `length` tokens each, adjacent in the packed batch."""

    count: int
    length: int

    @property
    def tokens(self) -> int:
        """Tokens in the part."""
        return self.count * self.length


def pack(parts_BLD: Sequence[Tensor]) -> tuple[Tensor, list[Part]]:
    """Lay batches of shape (B_i, L_i, D) end to end: (T, D) and the layout."""
    layout = [Part(x.shape[0], x.shape[1]) for x in parts_BLD]
    return torch.cat([x.flatten(0, 1) for x in parts_BLD]), layout


def unpack(x_TD: Tensor, layout: Sequence[Part]) -> list[Tensor]:
    """Undo `pack`: one (B_i, L_i, D) view for each part."""
    pieces = torch.split(x_TD, [part.tokens for part in layout])
    return [x.view(p.count, p.length, x.shape[-1]) for x, p in zip(pieces, layout, strict=True)]
