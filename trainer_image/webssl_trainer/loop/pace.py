"""Speed over the last steps. Pure but for its window."""

from __future__ import annotations

from collections import deque


class Pace:
    """Images per second over the last `window` steps."""

    def __init__(self, window: int = 20) -> None:
        self._steps: deque[tuple[float, int]] = deque(maxlen=window)

    def add(self, seconds: float, images: int) -> None:
        """One step: its wall time in seconds, and images over all processes."""
        self._steps.append((seconds, images))

    @property
    def images_per_second(self) -> float | None:
        """None before the first step."""
        total = sum(seconds for seconds, _ in self._steps)
        return sum(images for _, images in self._steps) / total if total > 0 else None
