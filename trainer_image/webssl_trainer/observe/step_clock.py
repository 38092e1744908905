"""Where the time of training goes: every second from the first step on belongs to one part."""

from __future__ import annotations

import time
from collections.abc import Callable

DATA_WAIT = "data_wait"
"""Until the loader has handed over the step's micro-batches."""
FORWARD_BACKWARD = "forward_backward"
"""Copies to the device, forward and backward passes, the reduction of gradients and their norms, until the numbers are
on the host. On a GPU also what is left there of the update before it, for that is not waited for."""
OPTIMIZER = "optimizer"
"""The update of weights and teacher; on a GPU only putting it in the queue."""
COMMUNICATION = "communication"
"""What all processes agree on in each step over the CPUs. A process that is ahead waits here for the others, where it
has not waited for them in a reduction of gradients."""
CHECKPOINT = "checkpoint"
"""What a save costs the training: the copy of the state, and the wait for the save before."""
OTHER = "other"
"""Records, reports, metrics, and all that has no part of its own."""

PARTS = (DATA_WAIT, FORWARD_BACKWARD, OPTIMIZER, COMMUNICATION, CHECKPOINT, OTHER)


class StepClock:
    """Laps without a gap: each begins where the one before ends, so the parts sum up to the time that went by."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._parts = dict.fromkeys(PARTS, 0.0)

    def lap(self, part: str) -> float:
        """All time since the lap before was spent on `part`. Returns the moment, in the clock's seconds."""
        now = self._clock()
        self._parts[part] += now - self._last
        self._last = now
        return now

    def take(self) -> dict[str, float]:
        """Seconds by part since the last call."""
        taken, self._parts = self._parts, dict.fromkeys(PARTS, 0.0)
        return taken
