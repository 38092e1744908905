"""The first principal components of patch features, as colours. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 60


def principal_components(x_ND: NDArray[np.float32], count: int = 3) -> NDArray[np.float32]:
    """Coordinates of N vectors along their `count` directions of most variance, (N, count).

    By subspace iteration from a fixed start, which costs little for any width. Of the two signs of a direction the one is taken that
    gives the largest coordinate a plus, so that pictures of neighbouring checkpoints have much the same colours.
    """
    centred = x_ND.astype(np.float64) - x_ND.mean(axis=0, dtype=np.float64)
    count = min(count, *centred.shape)
    basis = np.random.default_rng(0).standard_normal((centred.shape[1], count))
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    # within the subspace the directions may still be turned
    within = centred @ basis
    values, vectors = np.linalg.eigh(within.T @ within)
    found = within @ vectors[:, np.argsort(values)[::-1]]
    extreme = found[np.abs(found).argmax(axis=0), np.arange(count)]
    return np.asarray(found * np.where(extreme < 0, -1.0, 1.0), dtype=np.float32)


def colours(coordinates_NC: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, C up to 3) to RGB, uint8 (N, 3): each coordinate from its 2nd to its 98th percentile."""
    low, high = np.percentile(coordinates_NC, (2, 98), axis=0)
    scaled = np.clip((coordinates_NC - low) / np.maximum(high - low, 1e-12), 0, 1)
    out = np.zeros((len(coordinates_NC), 3), dtype=np.uint8)
    out[:, : scaled.shape[1]] = np.rint(scaled * 255)
    return out
