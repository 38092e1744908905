"""The loss of the global batch and its gradient with respect to this process's features.

Source: gradient caching (Gao et al., "Scaling deep contrastive learning batch size under memory limited setup",
2021), with the loss of local rows against gathered features. Shape letters as in `losses`; N of G samples are
this process's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from webssl_trainer.objectives.clip.losses import Loss
from webssl_trainer.objectives.clip.network import ClipOutput


class Contrast(NamedTuple):
    """gradients: of the global loss for each micro-batch, in the places of the features; a micro-batch's `temper`
    holds the share that its own rows contribute. sums: this process's share of the terms, (terms,)."""

    gradients: list[ClipOutput]
    sums: Tensor


def contrast(
    features: Sequence[ClipOutput],
    temper_2: Tensor,
    loss: Loss,
    weights: Tensor,
    group: dist.ProcessGroup | None,
) -> Contrast:
    """Loss and gradient of all pairs of the global batch.

    The logits of one micro-batch's rows exist at a time: rows x G numbers, twice.

    Args:
        features: the micro-batches of this process, in the order of their positions.
        temper_2: log scale and bias, fp32.
        loss: sums over rows.
        weights: factors from the loss's terms to the number that is minimised, (terms,).
        group: processes that hold the rest of the global batch, in the order of positions; None for none.
    """
    images_GE = _gathered([f.images.detach() for f in features], group).requires_grad_()
    texts_GE = _gathered([f.texts.detach() for f in features], group).requires_grad_()
    sizes = [len(f.images) for f in features]
    first = 0 if group is None else dist.get_rank(group) * sum(sizes)
    tempers, sums = [], torch.zeros_like(weights)
    for size in sizes:
        leaf_2 = temper_2.detach().clone().requires_grad_()
        terms = loss(images_GE, texts_GE, slice(first, first + size), leaf_2)
        (terms * weights).sum().backward()  # type: ignore[no-untyped-call]
        assert leaf_2.grad is not None
        tempers.append(leaf_2.grad)
        sums += terms.detach()
        first += size
    images, texts = (_own(x.grad, sizes, group) for x in (images_GE, texts_GE))
    return Contrast([ClipOutput(*parts) for parts in zip(images, texts, tempers, strict=True)], sums)


def _gathered(parts_NE: Sequence[Tensor], group: dist.ProcessGroup | None) -> Tensor:
    """All features of the global batch, (G, E), on every process."""
    own = torch.cat(list(parts_NE))
    if group is None or dist.get_world_size(group) == 1:
        return own
    everyone = own.new_empty(dist.get_world_size(group) * len(own), own.shape[1])
    dist.all_gather_into_tensor(everyone, own, group=group)
    return everyone


def _own(
    gradient_GE: Tensor | None, sizes: Sequence[int], group: dist.ProcessGroup | None
) -> tuple[Tensor, ...]:
    """The sum over processes of what each found, this process's samples only, by micro-batch."""
    assert gradient_GE is not None
    if group is None or dist.get_world_size(group) == 1:
        return torch.split(gradient_GE, list(sizes))
    own = gradient_GE.new_empty(sum(sizes), gradient_GE.shape[1])
    dist.reduce_scatter_tensor(own, gradient_GE, group=group)
    return torch.split(own, list(sizes))
