"""The grid of heads. Source: DINOv2 (Oquab et al., 2023), linear evaluation: learning rates x {1, 4} layers x {CLS, CLS + mean patch}.

Readings of an image are one vector: the CLS tokens of the last n blocks in order (n = 4, or all of a shallower encoder), then the
mean of the last block's patch tokens; all behind the final norm. What any head of the grid reads is a slice of that vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

LAYERS = (1, 4)
REFERENCE_BATCH = 256


@dataclass(frozen=True)
class Head:
    """One head. layers: how many last CLS tokens it reads. mean_patch: whether it reads the mean patch, too. rate: for a batch of 256."""

    layers: int
    mean_patch: bool
    rate: float

    @property
    def name(self) -> str:
        """Such as `layers4-cls+mean-rate0.01`."""
        return f"layers{self.layers}-{'cls+mean' if self.mean_patch else 'cls'}-rate{self.rate:g}"

    def reads(self, read_layers: int, width: int) -> slice:
        """The part of the readings that it sees. read_layers: CLS tokens in the readings. width: of each token."""
        end = (read_layers + 1 if self.mean_patch else read_layers) * width
        return slice((read_layers - min(self.layers, read_layers)) * width, end)

    def peak_rate(self, batch: int) -> float:
        """Learning rate of the first step: scaled linearly with the batch."""
        return self.rate * batch / REFERENCE_BATCH

    def seed(self, seed: int) -> int:
        """Seed of its own first weights: they do not depend on which other heads there are."""
        return int.from_bytes(hashlib.sha256(f"{seed} {self.name}".encode()).digest()[:7], "big")


def grid(rates: Sequence[float]) -> list[Head]:
    """All heads: 4 inputs for each rate, those of one input side by side."""
    return [Head(layers, mean, rate) for layers in LAYERS for mean in (False, True) for rate in rates]
