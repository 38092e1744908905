"""The linear head: one map from patch and CLS features to bins of depth, whose expectation is the depth.

Source: DINOv2's depth evaluation: AdaBins' uniform bins with linear normalisation (relu + 0.1, divided by the sum), features laid
bilinearly on a grid 4 times as fine before the map, scale-invariant logarithmic loss (Eigen et al., 2014; the form of AdaBins).

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


def silog_loss(depth_B1RC: Tensor, truth_BSS: Tensor, step: int) -> Tensor:
    """Scale-invariant logarithmic loss: sqrt(var(g) + 0.15 mean(g)^2), g = log predicted - log true.

    Args:
        depth_B1RC: predicted, in metres; laid bilinearly over the view.
        truth_BSS: measured, in metres; pixels at 0 have no measurement.
        step: in the first 100 steps the variance is left out, so that the scale comes first.

    Returns:
        The loss over all measured pixels; 0 where there is none.
    """
    large_BSS = F.interpolate(
        depth_B1RC, size=truth_BSS.shape[-2:], mode="bilinear", align_corners=False
    ).squeeze(1)
    known = truth_BSS > 0
    if int(known.sum()) < 2:
        return large_BSS.sum() * 0
    apart = torch.log(large_BSS[known] + _LOG_FLOOR) - torch.log(truth_BSS[known] + _LOG_FLOOR)
    squared = _MEAN_WEIGHT * apart.mean().square()
    if step >= _SCALE_FIRST_STEPS:
        squared = squared + apart.var()
    return torch.sqrt(squared + 1e-12)
