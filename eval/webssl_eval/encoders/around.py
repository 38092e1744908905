"""An encoder around another one, for those that change a part of what it does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from webssl_eval.encoders.interface import Encoder, Features


class Around:
    """All that the encoder inside does. See `Encoder`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def name(self) -> str:
        """See `Encoder.name`."""
        return self._encoder.name

    @property
    def width(self) -> int:
        """See `Encoder.width`."""
        return self._encoder.width

    @property
    def depth(self) -> int:
        """See `Encoder.depth`."""
        return self._encoder.depth

    @property
    def resolution(self) -> int:
        """See `Encoder.resolution`."""
        return self._encoder.resolution

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Encoder.prepare`."""
        return self._encoder.prepare(pixels)

    def encode(self, images: Tensor) -> Features:
        """See `Encoder.encode`."""
        return self._encoder.encode(images)

    def encode_layers(self, images: Tensor, layers: Sequence[int], normed: bool) -> list[Features]:
        """See `Encoder.encode_layers`."""
        return self._encoder.encode_layers(images, layers, normed)
