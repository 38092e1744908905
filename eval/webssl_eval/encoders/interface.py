"""What a suite asks of an encoder. A checkpoint of this project is one; others need only this much.

Shape letters: B images, D width of the features, R and C rows and columns of the patch grid.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Features(NamedTuple):
    """Final-layer features of a batch, float32 on the CPU: CLS (B, D), patches (B, R, C, D) row by row."""

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
        """Features of prepared views, float32 (B, 3, S, S)."""
        ...
