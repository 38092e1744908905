"""The request to stop at a step boundary: a signal on one process, agreed on by all."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class StopRequest:
    """Set by SIGTERM or SIGINT. A second signal is ignored: the save is already under way."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Take over the signals of this process."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    @property
    def requested(self) -> bool:
        """Whether this process was asked to stop."""
        return self._event.is_set()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
