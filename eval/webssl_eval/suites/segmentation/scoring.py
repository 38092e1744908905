"""Scores of a segmentation from its confusion matrix. Pure.

Source: mean intersection over union as in PASCAL VOC and ADE20K: over all pixels of all images, then the mean over classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IGNORED = -1
"""Class number of a pixel that does not count."""


def confusion(predicted: NDArray[np.int64], reference: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each class (row) was called each class (column), int64 (C, C).

    Args:
        predicted: class numbers, any shape.
        reference: class numbers of that shape; pixels that are IGNORED do not count.
        classes: number of classes C.
    """
    counts = reference != IGNORED
    pairs = reference[counts] * classes + predicted[counts]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(table: NDArray[np.int64]) -> dict[str, float]:
    """miou, pixelAccuracy and meanAccuracy in per cent.

    Args:
        table: int64 (C, C), see `confusion`. Classes that are neither there nor predicted are left out of miou; classes that
            are not there are left out of meanAccuracy. Without a pixel that counts all scores are 0.
    """
    right, there, called = np.diag(table), table.sum(1), table.sum(0)
    union = there + called - right
    return {
        "miou": _mean_share(right, union),
        "pixelAccuracy": 100 * float(right.sum() / max(1, table.sum())),
        "meanAccuracy": _mean_share(right, there),
    }


def prior(counts: NDArray[np.int64], train_counts: NDArray[np.int64]) -> float:
    """miou in per cent when every pixel is called the most frequent class of the training pixels; counts: int64 (C,)."""
    constant = np.zeros((len(counts), len(counts)), dtype=np.int64)
    constant[:, int(train_counts.argmax())] = counts
    return scores(constant)["miou"]


def _mean_share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> float:
    some = whole > 0
    return 100 * float((part[some] / whole[some]).mean()) if some.any() else 0.0
