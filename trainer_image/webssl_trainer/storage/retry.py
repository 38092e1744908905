"""Retrying with pauses that grow and are drawn, within a budget of total time."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from webssl_trainer.storage.errors import StorageStoppedError, StorageUnavailableError

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on trying.

    The default outlasts a storage server that is gone for minutes (a killed and rescheduled pod).

    Attributes:
        total_seconds: give up when this much time has passed since the first try.
        first_delay: shortest pause, in seconds.
        longest_delay: upper bound of any pause, in seconds.
    """

    total_seconds: float = 600.0
    first_delay: float = 0.2
    longest_delay: float = 5.0


def next_pause(previous: float, policy: RetryPolicy, fraction: float) -> float:
    """Seconds to pause after a failed try: decorrelated jitter, drawn evenly between the first delay and thrice the last.

    Many processes that lost the server together spread out further with every try, and none comes back at once. The
    draw is from the bounded interval, not cut off at its end: cut-off pauses are all as long as the bound, and
    would bring together again at every try whom the draws had parted.

    Args:
        previous: the pause before; 0 when there was none.
        policy: the bounds.
        fraction: a draw in [0, 1).

    Returns:
        At least the smaller of the two bounds, at most `longest_delay`; longer for a larger draw.
    """
    shortest = min(policy.first_delay, policy.longest_delay)
    most = min(policy.longest_delay, 3 * max(previous, shortest))
    return shortest + fraction * (most - shortest)


@dataclass(frozen=True)
class Waiting:
    """Time and chance as the retry loop sees them; tests pass their own."""

    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], None] | None = None


@dataclass
class Retrier:
    """Runs operations until they succeed, fail for good, run out of budget, or are stopped.

    Attributes:
        policy: how long to go on.
        transient: tells an error that may pass from one that will not.
        waiting: clock, draw and sleep.
        cause: names the cause of a transient error, for counting.
        causes: how many tries failed and were repeated so far, by cause.
    """

    policy: RetryPolicy
    transient: Callable[[BaseException], bool]
    waiting: Waiting = field(default_factory=Waiting)
    cause: Callable[[BaseException], str] = lambda error: type(error).__name__
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def retries(self) -> int:
        """How many tries failed and were repeated so far."""
        return self.causes.total()

    def run(self, operation: Callable[[], T], what: str, stop: threading.Event | None = None) -> T:
        """Result of `operation`, tried again while its error is transient.

        Args:
            operation: called without arguments; must be safe to repeat.
            what: names the operation and URL in logs and errors.
            stop: when set, no further try is made.

        Raises:
            StorageUnavailableError: the budget is spent; the last error is the cause.
            StorageStoppedError: `stop` was set.
            Exception: whatever `operation` raised, when it is not transient.
        """
        started = self.waiting.clock()
        attempt, pause = 0, 0.0
        while True:
            if stop is not None and stop.is_set():
                raise StorageStoppedError(what)
            try:
                return operation()
            except Exception as error:
                if not self.transient(error):
                    raise
                spent = self.waiting.clock() - started
                pause = next_pause(pause, self.policy, self.waiting.draw())
                if spent + pause > self.policy.total_seconds:
                    raise StorageUnavailableError(
                        f"{what}: no success in {spent:.0f} s and {attempt + 1} tries "
                        f"(last error: {type(error).__name__}: {error}); check that the storage server is up "
                        "and reachable from here"
                    ) from error
                if attempt in {2, 5} or (attempt and attempt % 10 == 0):
                    _log.warning(
                        "storage.retrying",
                        what=what,
                        tries=attempt + 1,
                        seconds=round(spent, 1),
                        error=f"{type(error).__name__}: {error}",
                    )
                self.causes[self.cause(error)] += 1
                attempt += 1
                self._pause(pause, stop)

    def _pause(self, seconds: float, stop: threading.Event | None) -> None:
        if self.waiting.sleep is not None:
            self.waiting.sleep(seconds)
        elif stop is not None:
            stop.wait(seconds)
        else:
            time.sleep(seconds)
