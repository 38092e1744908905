"""Keys and values with room for what is still to be written: a new position is stored, not appended by copying all others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

_GROWTH = 64


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """transformers' layer of a cache, over a buffer; not for training, since it writes in place.

    Args:
        keys, values: (B, K, P, d) with the first `filled` positions in use; they are written to.
        filled: how many.
    """

    def __init__(self, keys: Tensor, values: Tensor, filled: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._buffers = [keys, values]
        self._show(filled)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store new positions, (B, K, L, d); all of them are returned."""
        start, end = self._filled, self._filled + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            more = end - self._buffers[0].shape[-2] + _GROWTH
            self._buffers = [torch.nn.functional.pad(buffer, (0, 0, 0, more)) for buffer in self._buffers]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:end, :] = states
        self._show(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows."""
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self._show(self._filled)

    def _show(self, filled: int) -> None:
        self._filled = filled
        self.keys, self.values = (buffer[..., :filled, :] for buffer in self._buffers)
