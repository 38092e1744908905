"""How many come before the right one: exact, in chunks of bounded memory. Pure.

Shape letters: Q asked, C candidates, E width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 22
_EQUAL = 1e-9
"""Similarities closer than this are equal: rounding in sums of double precision is far below, whatever the order."""


@dataclass(frozen=True)
class Ranked:
    """ranks: int64 (Q,), of the best right candidate of each, from 1 on. nearest: int64 (Q, k), candidates by falling likeness."""

    ranks: NDArray[np.int64]
    nearest: NDArray[np.int64]


def ranked(asked_QE: Tensor, candidates_CE: Tensor, right: Sequence[Sequence[int]], top: int) -> Ranked:
    """The rank of each one's best right candidate among all that are wrong for it.

    A wrong candidate that is as near as the right one stands before it: features that are all the same find nothing,
    and neither the order of candidates nor that of what is asked changes a rank.

    Args:
        asked_QE: unit vectors.
        candidates_CE: unit vectors.
        right: for each of Q the numbers of its right candidates, at least one.
        top: how many nearest candidates to name; all where there are fewer.

    Raises:
        ValueError: one has no right candidate, or a feature is not finite.
    """
    if not (torch.isfinite(asked_QE).all() and torch.isfinite(candidates_CE).all()):
        raise ValueError("features must be finite")
    if len(asked_QE) != len(right) or not all(right):
        raise ValueError("everything that is asked needs a right candidate")
    candidates = candidates_CE.double()
    at_once = max(1, _CHUNK_ELEMENTS // max(1, len(candidates)))
    ranks, nearest = [], []
    for start in range(0, len(asked_QE), at_once):
        own = right[start : start + at_once]
        likeness = asked_QE[start : start + at_once].double() @ candidates.T
        rows = torch.tensor([row for row, numbers in enumerate(own) for _ in numbers])
        columns = torch.tensor([number for numbers in own for number in numbers])
        is_right = torch.zeros(likeness.shape, dtype=torch.bool, device=likeness.device)
        is_right[rows.to(likeness.device), columns.to(likeness.device)] = True
        best = likeness.masked_fill(~is_right, -torch.inf).amax(dim=1, keepdim=True)
        before = ((likeness >= best - _EQUAL) & ~is_right).sum(dim=1)
        ranks.append(1 + before.cpu())
        nearest.append(likeness.topk(min(top, len(candidates)), dim=1).indices.cpu())
    if not ranks:
        return Ranked(np.empty(0, dtype=np.int64), np.empty((0, top), dtype=np.int64))
    return Ranked(torch.cat(ranks).numpy(), torch.cat(nearest).numpy())


def recall(ranks: NDArray[np.int64], k: int) -> float:
    """R@k in per cent: the share that has a right candidate among the first k."""
    return 100 * float((ranks <= k).mean())


def chance(right: Sequence[Sequence[int]], candidates: int, k: int) -> float:
    """R@k in per cent of an order drawn by lot: mean of 1 - C(n - m, k) / C(n, k), with m of n candidates right."""
    missed = {
        m: float(np.prod([max(0.0, 1 - m / (candidates - j)) for j in range(min(k, candidates))]))
        for m in {len(numbers) for numbers in right}
    }
    return 100 * float(np.mean([1 - missed[len(numbers)] for numbers in right]))
