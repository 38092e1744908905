"""Mutual k-nearest-neighbour alignment of two representations of the same things.

Source: Huh et al., "The Platonic Representation Hypothesis" (2024): inner products of features of length 1, the thing itself left
out; the score is the mean share of the k neighbours that both representations have in common. Before that, values are clamped
to the 95 % quantile of their magnitude over all things, layers and columns.

Shape letters: N things, L layers, D width of a layer, k neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

QUANTILE = 0.95
_CHUNK_ELEMENTS = 1 << 24


def clipped(layers_NLD: Tensor, quantile: float = QUANTILE) -> Tensor:
    """Values clamped to plus and minus the quantile of all magnitudes, float (N, L, D); outliers would rule inner products."""
    magnitudes = layers_NLD.abs().flatten()
    at = min(len(magnitudes) - 1, int(quantile * len(magnitudes)))
    bound = float(magnitudes.kthvalue(at + 1).values)
    return layers_NLD.clamp(-bound, bound)


def neighbours(features_ND: Tensor, k: int) -> Tensor:
    """The k nearest other rows of each row by cosine similarity, int64 (N, k), exactly, in chunks of bounded memory.

    Args:
        features_ND: float (N, D).
        k: below N.

    Raises:
        ValueError: k is not below N.
    """
    count = len(features_ND)
    if not 0 < k < count:
        raise ValueError(
            f"{k} neighbours of {count} things: k must be at least 1 and below the number of things"
        )
    unit_ND = F.normalize(features_ND, dim=1)
    rows = max(1, _CHUNK_ELEMENTS // count)
    found: list[Tensor] = []
    for start in range(0, count, rows):
        similarity = unit_ND[start : start + rows] @ unit_ND.T
        own = torch.arange(start, start + len(similarity), device=similarity.device)
        similarity.scatter_(1, own[:, None], -torch.inf)
        found.append(similarity.topk(k, dim=1).indices)
    return torch.cat(found)


def mutual_share(one_Nk: Tensor, other_Nk: Tensor) -> float:
    """Mean share of neighbours that two tables of `neighbours` have in common, from 0 to 1."""
    rows = max(1, _CHUNK_ELEMENTS // one_Nk.shape[1] ** 2)
    common = 0
    for start in range(0, len(one_Nk), rows):
        ours, theirs = one_Nk[start : start + rows, :, None], other_Nk[start : start + rows, None, :]
        common += int((ours == theirs).any(2).sum())
    return common / one_Nk.numel()


def alignment_table(one: Sequence[Tensor], other: Sequence[Tensor]) -> NDArray[np.float64]:
    """Shares between every two layers, float64 (layers of one, layers of the other). one, other: neighbours of each layer."""
    return np.array([[mutual_share(ours, theirs) for theirs in other] for ours in one])


def neighbours_of_layers(layers_NLD: Tensor, k: int) -> list[Tensor]:
    """Neighbours in every layer after clipping, as `neighbours` gives them."""
    bounded_NLD = clipped(layers_NLD)
    return [neighbours(bounded_NLD[:, layer], k) for layer in range(layers_NLD.shape[1])]
