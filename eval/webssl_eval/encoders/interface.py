"""What a suite asks of an encoder. A checkpoint of this project is one; others need only this much.

Shape letters: B images, D width of the features, R and C rows and columns of the patch grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Features(NamedTuple):
    """Features of a batch from one layer, float32 on the CPU: CLS (B, D), patches (B, R, C, D) row by row."""

    cls: Tensor
    patches: Tensor


class Encoder(Protocol):
    """A frozen encoder with the image transform that belongs to it."""

    @property
    def name(self) -> str:
        """What it is, for people."""
        ...

    @property
    def width(self) -> int:
        """Width of the features."""
        ...

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input view of one RGB image, uint8 (H, W, 3) -> float32 (3, S, S)."""
        ...

    def encode(self, images: Tensor) -> Features:
        """Final-layer features of prepared views, float32 (B, 3, S, S)."""
        ...

    @property
    def depth(self) -> int:
        """Number of blocks."""
        ...

    @property
    def resolution(self) -> int:
        """Side S of its input views in pixels."""
        ...

    def encode_layers(self, images: Tensor, layers: Sequence[int], normed: bool) -> list[Features]:
        """Features behind several blocks of prepared views, float32 (B, 3, S, S).

        Args:
            images: the views.
            layers: 0-based block numbers, one output each, in this order.
            normed: whether the final norm is laid on every one of them; else they are the residual stream.
        """
        ...
