"""The linear head: one map from patch and CLS features to bins of depth, whose expectation is the depth.

Source: DINOv2's depth evaluation: AdaBins' uniform bins with linear normalisation (relu + 0.1, divided by the sum), features laid
bilinearly on a grid 4 times as fine before the map, scale-invariant logarithmic loss (Eigen et al., 2014; the form of AdaBins) and
half the gradient loss of MegaDepth (Li and Snavely, 2018).

Shape letters: B images, R and C rows and columns of the patch grid, F features, N bins, S side of a view.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BINS = 256
FINER = 4
_FLOOR = 0.1
_MEAN_WEIGHT = 0.15
_LOG_FLOOR = 1e-3
_SCALE_FIRST_STEPS = 100
_GRADIENT_WEIGHT = 0.5
_GRADIENT_SCALES = 4


class DepthHead(nn.Module):
    """features: F. nearest, farthest: depths of the first and last bin in metres. seed: of the weights, drawn from N(0, 0.01)."""

    depths: Tensor

    def __init__(self, features: int, nearest: float, farthest: float, seed: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(features, BINS, kernel_size=1)
        self.register_buffer("depths", torch.linspace(nearest, farthest, BINS))
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.linear.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def forward(self, features_BRCF: Tensor) -> Tensor:
        """(B, R, C, F) -> depth in metres (B, 1, 4 R, 4 C)."""
        # A map of each place and an interpolation over places commute, so the map runs on the coarse grid.
        logits_BNRC = self.linear(features_BRCF.permute(0, 3, 1, 2))
        fine = F.interpolate(logits_BNRC, scale_factor=FINER, mode="bilinear", align_corners=False)
        shares = F.relu(fine) + _FLOOR
        shares = shares / shares.sum(1, keepdim=True)
        return torch.einsum("bnrc,n->brc", shares, self.depths).unsqueeze(1)


def depth_loss(depth_B1RC: Tensor, truth_BSS: Tensor, step: int) -> Tensor:
    """The scale-invariant term and half the gradient term.

    Args:
        depth_B1RC: predicted, in metres; laid bilinearly over the view.
        truth_BSS: measured, in metres; pixels at 0 have no measurement.
        step: see `silog_loss`.

    Returns:
        The loss over all measured pixels; 0 where there is none.
    """
    large_BSS = F.interpolate(
        depth_B1RC, size=truth_BSS.shape[-2:], mode="bilinear", align_corners=False
    ).squeeze(1)
    if int((truth_BSS > 0).sum()) < 2:
        return large_BSS.sum() * 0
    return silog_loss(large_BSS, truth_BSS, step) + _GRADIENT_WEIGHT * gradient_loss(large_BSS, truth_BSS)


def silog_loss(depth_BSS: Tensor, truth_BSS: Tensor, step: int) -> Tensor:
    """Scale-invariant logarithmic loss of measured pixels: sqrt(var(g) + 0.15 mean(g)^2), g = log predicted - log true.

    step: in the first 100 steps the variance is left out, so that the scale comes first.
    """
    known = truth_BSS > 0
    apart = _apart(depth_BSS[known], truth_BSS[known])
    squared = _MEAN_WEIGHT * apart.mean().square()
    if step >= _SCALE_FIRST_STEPS:
        squared = squared + apart.var()
    return torch.sqrt(squared + 1e-12)


def gradient_loss(depth_BSS: Tensor, truth_BSS: Tensor) -> Tensor:
    """Edges that are elsewhere: |g - its neighbour below| + |g - its neighbour to the right|, summed over pairs of measured
    pixels and divided by their number of pixels, added up over every pixel, every 2nd, 4th and 8th; g as in `silog_loss`."""
    total = depth_BSS.sum() * 0
    for scale in range(_GRADIENT_SCALES):
        part = slice(None, None, 2**scale)
        depth, truth = depth_BSS[:, part, part], truth_BSS[:, part, part]
        known = truth > 0
        apart = torch.where(known, _apart(depth, truth), 0)
        down = (apart[:, 1:] - apart[:, :-1]).abs() * (known[:, 1:] & known[:, :-1])
        right = (apart[:, :, 1:] - apart[:, :, :-1]).abs() * (known[:, :, 1:] & known[:, :, :-1])
        total = total + (down.sum() + right.sum()) / known.sum().clamp(min=1)
    return total


def _apart(depth: Tensor, truth: Tensor) -> Tensor:
    return torch.log(depth + _LOG_FLOOR) - torch.log(truth + _LOG_FLOOR)
