"""The loss terms, each as one number per sample, crop or patch: sums over them are sums over any split.

Shape letters: C crops, N samples, K prototypes, M masked patches, D width. All in fp32 (or float64).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dino_loss(
    global_logits_2NK: Tensor, local_logits_CNK: Tensor, targets_2NK: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of every crop's prediction with the teacher's view of every other global crop.

    Each global crop is compared with the other one's target, each local crop with both: 2 + 2 C terms, mean
    over terms (DINO, Caron et al., 2021, eq. 3).

    Returns:
        (N,): one number per sample.
    """
    terms = 2 + 2 * len(local_logits_CNK)
    other_2NK = targets_2NK.flip(0)
    loss_N = _cross_entropy(global_logits_2NK, other_2NK, temperature).sum(0)
    if len(local_logits_CNK):
        # Cross-entropy is linear in the target: both targets in one pass.
        both_NK = targets_2NK.sum(0)
        loss_N = loss_N + _cross_entropy(local_logits_CNK, both_NK, temperature).sum(0)
    return loss_N / terms


def ibot_loss(logits_MK: Tensor, targets_MK: Tensor, weights_M: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of masked patches with the teacher's view of them (iBOT, Zhou et al., 2022, eq. 2).

    weights_M: 1 / (number of masked patches of the patch's crop), so that crops count alike.

    Returns:
        (M,): one weighted number per masked patch.
    """
    return _cross_entropy(logits_MK, targets_MK, temperature) * weights_M


def koleo_loss(cls_CND: Tensor, group_size: int, eps: float = 1e-8) -> Tensor:
    """Spread of features: minus log of the distance to the nearest neighbour (Sablayrolles et al., 2019).

    Neighbours are sought among the same crop of the group_size samples of a group, N / group_size groups.

    Returns:
        (C, N): one number per crop.
    """
    x = torch.unflatten(F.normalize(cls_CND, dim=-1, eps=eps), 1, (-1, group_size))
    with torch.no_grad():
        # Distances from differences: at the start of training features are closer than products can resolve.
        apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        apart.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
        nearest = apart.argmin(-1, keepdim=True).expand_as(x)
    distance = F.pairwise_distance(x, x.gather(-2, nearest), p=2, eps=eps)
    return -(distance + eps).log().flatten(1)


def _cross_entropy(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    return -(targets * (logits / temperature).log_softmax(-1)).sum(-1)
