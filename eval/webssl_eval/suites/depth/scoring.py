"""Scores of a depth map against measurements. Pure. Source: Eigen et al. (2014), NYUv2: each image counts the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FRAME = (45 / 480, 471 / 480, 41 / 640, 601 / 640)
_DELTA = 1.25
METRICS = ("rmse", "absRel", "delta1", "delta2", "delta3")


def scored_pixels(
    truth: NDArray[np.float64], nearest: float, farthest: float, framed: bool
) -> NDArray[np.bool_]:
    """Pixels that count: measured, between the bounds, and inside the frame where asked. truth: metres (H, W), 0 unknown."""
    counts = (truth > 0) & (truth >= nearest) & (truth <= farthest)
    if framed:
        height, width = truth.shape
        top, bottom, left, right = (
            round(share * side) for share, side in zip(_FRAME, (height, height, width, width), strict=True)
        )
        frame = np.zeros_like(counts)
        frame[top:bottom, left:right] = True
        counts &= frame
    return counts


def image_scores(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    """Scores of the pixels of one image, at least one, all positive and in metres.

    Returns:
        rmse in metres; absRel = mean |p - t| / t, and delta1 to 3 = share with max(p / t, t / p) < 1.25^n, in per cent.
    """
    ratio = np.maximum(predicted / truth, truth / predicted)
    near = {f"delta{n}": 100 * float((ratio < _DELTA**n).mean()) for n in (1, 2, 3)}
    return {
        "rmse": float(np.sqrt(np.square(predicted - truth).mean())),
        "absRel": 100 * float((np.abs(predicted - truth) / truth).mean()),
        **near,
    }


def mean_scores(images: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each score over images, at least one."""
    return {name: float(np.mean([image[name] for image in images])) for name in METRICS}
