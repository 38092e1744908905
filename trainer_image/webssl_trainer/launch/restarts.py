"""What the agent does when its own processes end. Pure but for its counters."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from webssl_api import exit_codes

MOST_CRASHES = 3
"""Crashes in a row, without a step in between, after which the pod ends instead of starting its processes again."""


class Next(Enum):
    """What to do after the local processes ended."""

    COMPLETE = "complete"
    MEET_AGAIN = "meet-again"
    USER_ERROR = "user-error"
    GIVE_UP = "give-up"
    """End the pod as failed: the operator counts the failure against the restart policy."""


class CrashCounter:
    """Counts crashes in a row. Going round again because a peer left is no crash; neither is dying by SIGKILL from the agent."""

    def __init__(self, most: int = MOST_CRASHES) -> None:
        self._most = most
        self._crashes = 0
        self._progress = (0, 0)

    def decide(self, codes: Collection[int], progress: tuple[int, int]) -> Next:
        """The next thing to do.

        codes: exit codes of the local processes, negative for signals. progress: (attempt, step) they came to.
        """
        if all(code == exit_codes.COMPLETE for code in codes):
            return Next.COMPLETE
        if exit_codes.USER_ERROR in codes:
            return Next.USER_ERROR
        if progress > self._progress:
            self._progress, self._crashes = progress, 0
        if exit_codes.RETRY in codes:
            return Next.MEET_AGAIN
        self._crashes += 1
        return Next.GIVE_UP if self._crashes >= self._most else Next.MEET_AGAIN
