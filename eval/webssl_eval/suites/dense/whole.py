"""A head's output for whole images: windows at one or several scales, laid over each other and averaged.

Shape letters: K outputs per pixel, H and W of the image, S side of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from webssl_eval.encoders import Encoder
from webssl_eval.features import stacked
from webssl_eval.suites.dense.reading import Reading
from webssl_eval.suites.dense.views import scaled_pixels, scaled_size, windows

_WINDOWS_AT_ONCE = 8


@torch.no_grad()
def outputs_at(
    encoder: Encoder,
    reading: Reading,
    head: nn.Module,
    pixels: NDArray[np.uint8],
    scale: float,
    device: torch.device,
) -> Tensor:
    """Outputs for every pixel of an image, float32 (K, H, W), the mean of all windows that see it.

    Args:
        encoder: what sees the windows, S = its resolution.
        reading: what the head reads.
        head: from features (B, R, C, F) to outputs (B, K, rows, columns).
        pixels: RGB, uint8 (H, W, 3).
        scale: the shorter side is S times this (at least 1) when the windows are cut.
        device: where the head is.
    """
    side = encoder.resolution
    height, width = pixels.shape[:2]
    size = scaled_size(height, width, max(side, round(side * scale)))
    large = scaled_pixels(pixels, size)
    places = windows(*size, side)
    total: Tensor | None = None
    seen = torch.zeros(size, device=device)
    for start in range(0, len(places), _WINDOWS_AT_ONCE):
        chunk = places[start : start + _WINDOWS_AT_ONCE]
        cuts = [np.ascontiguousarray(large[top : top + side, left : left + side]) for top, left in chunk]
        outputs = head(reading.read(encoder, stacked(encoder, cuts)).to(device))
        outputs = F.interpolate(outputs, size=(side, side), mode="bilinear", align_corners=False)
        if total is None:
            total = torch.zeros(outputs.shape[1], *size, device=device)
        for (top, left), output in zip(chunk, outputs, strict=True):
            total[:, top : top + side, left : left + side] += output
            seen[top : top + side, left : left + side] += 1
    assert total is not None, "an image has at least one window"
    return F.interpolate((total / seen)[None], size=(height, width), mode="bilinear", align_corners=False)[0]


def averaged(
    outputs: Callable[[NDArray[np.uint8], float], Tensor],
    pixels: NDArray[np.uint8],
    scales: Sequence[float],
    mirrored: bool,
    finish: Callable[[Tensor], Tensor],
) -> Tensor:
    """Mean of finished outputs (K, H, W) over scales, and over the mirrored image where asked.

    outputs: see `outputs_at`. finish: laid on the outputs of each scale before the mean, such as a softmax.
    """
    total: Tensor | None = None
    for scale in scales:
        parts = [outputs(pixels, scale)]
        if mirrored:
            parts.append(outputs(np.ascontiguousarray(pixels[:, ::-1]), scale).flip(-1))
        for part in parts:
            total = finish(part) if total is None else total + finish(part)
    assert total is not None, "there is at least one scale"
    return total / (len(scales) * (2 if mirrored else 1))
