"""The linear head: batch norm, then one linear map from patch features to classes. Source: DINOv2's linear segmentation.

Shape letters: B images, R and C rows and columns of the patch grid, F features, K classes, S side of a view.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webssl_eval.suites.segmentation.scoring import IGNORED


class SegmentationHead(nn.Module):
    """features: F. classes: K. seed: of the weights, drawn from N(0, 0.01)."""

    def __init__(self, features: int, classes: int, seed: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features)
        self.linear = nn.Conv2d(features, classes, kernel_size=1)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.linear.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def forward(self, features_BRCF: Tensor) -> Tensor:
        """(B, R, C, F) -> logits (B, K, R, C)."""
        logits: Tensor = self.linear(self.norm(features_BRCF.permute(0, 3, 1, 2)))
        return logits


def pixel_loss(logits_BKRC: Tensor, classes_BSS: Tensor, step: int) -> Tensor:
    """Mean cross-entropy of the logits, bilinearly laid over the view, on all pixels that count; 0 where none does."""
    del step
    large_BKSS = F.interpolate(logits_BKRC, size=classes_BSS.shape[-2:], mode="bilinear", align_corners=False)
    total = F.cross_entropy(large_BKSS, classes_BSS, ignore_index=IGNORED, reduction="sum")
    return total / (classes_BSS != IGNORED).sum().clamp(min=1)
