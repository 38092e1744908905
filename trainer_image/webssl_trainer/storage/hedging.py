"""When a slow read is asked for a second time.

A read that takes longer than nearly all of its size is mostly one that waits for one slow server or a lost packet; the
same read sent again is then there first. (Dean and Barroso, The Tail at Scale, 2013: "hedged requests".) The decision
is a function of what was seen and of the time; it holds three bounds:

* second requests are at most `share` of the requests, and of the bytes, counted since the start, so a storage that is
  slow as a whole gets at most that much more load;
* none goes out for `calm_seconds` after the storage said that it is asked too much (429, 503 SlowDown);
* no more than `most_at_once` are under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

HEDGES = ("sent", "won")
"""What is counted of second requests: those sent, and those whose answer was used."""


@dataclass(frozen=True)
class HedgePolicy:
    """What counts as slow, and how much may be asked twice.

    Attributes:
        quantile: a read is slow when it takes longer than this share of the recent ones of its size.
        factor: and longer than this many times that.
        shortest: never sooner than this, in seconds.
        least_seen: recent reads of the size below which nothing counts as slow.
        share: second requests for each first one, at most; 0 turns them off.
        most_at_once: second requests under way at a time.
        calm_seconds: how long none is sent after the storage asked for less.
    """

    quantile: float = 0.95
    factor: float = 2.0
    shortest: float = 0.05
    least_seen: int = 32
    share: float = 0.05
    most_at_once: int = 4
    calm_seconds: float = 30.0


@dataclass(frozen=True)
class Seen:
    """What the decision depends on.

    Attributes:
        requests, asked: first requests sent so far, and the bytes that they are for.
        hedges, asked_twice: second requests sent so far, and their bytes.
        outstanding: second requests under way.
        throttled: when the storage last asked for less, in seconds of the caller's clock; None for never.
    """

    requests: int = 0
    asked: int = 0
    hedges: int = 0
    asked_twice: int = 0
    outstanding: int = 0
    throttled: float | None = None


def slow_after(seconds: Sequence[float], policy: HedgePolicy) -> float | None:
    """How many seconds after its start a read is slow, by those that recent ones took; None while too few are known."""
    if len(seconds) < max(1, policy.least_seen):
        return None
    ranked = sorted(seconds)
    at = min(len(ranked) - 1, int(policy.quantile * len(ranked)))
    return max(policy.shortest, policy.factor * ranked[at])


def may_hedge(
    length: int, age: float, slow: float | None, seen: Seen, now: float, policy: HedgePolicy
) -> bool:
    """Whether a second request is sent for a read that has one.

    Args:
        length: bytes of the read.
        age: seconds since the read's request was sent.
        slow: of `slow_after`.
        seen: see there.
        now: time, on the clock of `seen.throttled`.
        policy: the bounds.
    """
    if slow is None or age < slow or seen.outstanding >= policy.most_at_once:
        return False
    if seen.throttled is not None and now - seen.throttled < policy.calm_seconds:
        return False
    few = seen.hedges + 1 <= policy.share * seen.requests
    return few and seen.asked_twice + length <= policy.share * seen.asked


def size_class(length: int) -> int:
    """Reads that differ by less than about four times share a class: 16 to 63 KiB, 64 to 255 KiB, ..."""
    return (max(1, length).bit_length() + 1) // 2


class Hedges:
    """What was seen so far. For one thread.

    Args:
        policy: see there.
        remembered: recent reads of each size class that are kept.
    """

    def __init__(self, policy: HedgePolicy | None = None, remembered: int = 256) -> None:
        self.policy = policy or HedgePolicy()
        self._remembered = remembered
        self._seconds: dict[int, deque[float]] = {}
        self._slow: dict[int, float | None] = {}
        self._requests = self._asked = self._asked_twice = self._recorded = self._outstanding = 0
        self.sent = self.won = 0
        self._throttled: float | None = None

    @property
    def seen(self) -> Seen:
        """For `may_hedge`."""
        return Seen(
            self._requests, self._asked, self.sent, self._asked_twice, self._outstanding, self._throttled
        )

    def slow(self, length: int) -> float | None:
        """Seconds after which a read of `length` bytes is slow; it follows what is recorded in steps of 16."""
        return self._slow.get(size_class(length))

    def asked(self, length: int) -> None:
        """A first request was sent, for so many bytes."""
        self._requests += 1
        self._asked += length

    def hedged(self, length: int) -> None:
        """A second request was sent."""
        self.sent += 1
        self._asked_twice += length
        self._outstanding += 1

    def hedge_ended(self, won: bool) -> None:
        """A second request is over; `won` when its answer was used."""
        self._outstanding -= 1
        self.won += won

    def came(self, length: int, seconds: float) -> None:
        """A request was answered whole after so many seconds."""
        kind = size_class(length)
        recent = self._seconds.setdefault(kind, deque(maxlen=self._remembered))
        recent.append(seconds)
        self._recorded += 1
        # Sorted only now and then: this is on the path of every read.
        if self._recorded % 16 == 0 or self._slow.get(kind) is None:
            self._slow[kind] = slow_after(tuple(recent), self.policy)

    def throttled(self, now: float) -> None:
        """The storage asked for less."""
        self._throttled = now

    def due(self, length: int, age: float, now: float) -> bool:
        """`may_hedge` for a read of `length` bytes."""
        return may_hedge(length, age, self.slow(length), self.seen, now, self.policy)
