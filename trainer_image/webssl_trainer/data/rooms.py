"""Memory of batches that is used again once nobody looks at it: of new memory, half the time of filling it are page faults."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_MOST_SPARE = 16


class Rooms:
    """Hands out memory, and takes it back when the last tensor or array in it is gone. Safe for several threads."""

    def __init__(self) -> None:
        # No lock: memory comes back whenever something is collected, in any thread, within whatever that is doing.
        self._spare: dict[int, deque[NDArray[np.uint8]]] = {}

    def flat(self, size: int) -> torch.Tensor:
        """Uint8 (size,), of any contents. Pinned where there is a GPU: a copy from there does not wait for it."""
        import torch

        if torch.cuda.is_available():
            return torch.empty(
                size, dtype=torch.uint8, pin_memory=True
            )  # torch itself uses pinned memory again
        spare = self._spare.setdefault(size, deque(maxlen=_MOST_SPARE))
        try:
            memory = spare.pop()
        except IndexError:
            memory = np.empty(size, dtype=np.uint8)
        # What is made from this very array keeps it, so its end is theirs; of a view of it numpy would keep only `memory`.
        lent = memory[:]
        weakref.finalize(lent, spare.append, memory).atexit = False
        return torch.from_numpy(lent)
