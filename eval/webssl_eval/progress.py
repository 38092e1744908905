"""Progress as log lines: the first, the last, and one every few seconds between."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger("webssl.eval")


class LoggedProgress:
    """Called with what is done, how many are done, and how many there are. interval: seconds between two lines."""

    def __init__(self, interval: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._clock = interval, clock
        self._what, self._last = "", 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """See the class."""
        now = self._clock()
        if what != self._what or done >= total or now - self._last >= self._interval:
            self._what, self._last = what, now
            log.info("eval.progress", what=what, done=done, total=total)
