"""A queue of keys: each at most once in it, one worker per key at a time, delays and back-off per key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyedQueue(Generic[K]):
    """first, longest: back-off in seconds after the first failure of a key, and at most.

    A key that is added while a worker has it is handed out again when that worker is done: no wake-up is lost, none is doubled.
    """

    def __init__(self, first: float = 0.5, longest: float = 60.0) -> None:
        self._first, self._longest = first, longest
        self._waiting: OrderedDict[K, None] = OrderedDict()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._soon: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Wake a key now."""
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting[key] = None
            self._ready.set()

    def add_soon(self, key: K, gather: float) -> None:
        """Wake a key in `gather` seconds or sooner, so that events which come together make one pass."""
        if key in self._waiting:
            return
        loop = asyncio.get_running_loop()
        timer = self._soon.get(key)
        if timer is not None and timer.when() <= loop.time() + gather:
            return
        if timer is not None:
            timer.cancel()
        self._soon[key] = loop.call_later(gather, self._gathered, key)

    def add_at(self, key: K, delay: float) -> None:
        """Wake a key in `delay` seconds; the latest call for a key replaces the one before."""
        self.cancel(key)
        self._timers[key] = asyncio.get_running_loop().call_later(max(0.0, delay), self._fire, key)

    def cancel(self, key: K) -> None:
        """Drop the delayed wake-up of a key."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def add_after_failure(self, key: K) -> float:
        """Wake a key after its back-off, which doubles from failure to failure; returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._longest, self._first * float(2 ** min(failures, 30)))
        self.add_at(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Next key; `done` must follow."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker has finished with the key."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def busy(self) -> int:
        """Keys that workers have now."""
        return len(self._working)

    def close(self) -> None:
        """Cancel all delayed wake-ups."""
        for timers in (self._timers, self._soon):
            for timer in timers.values():
                timer.cancel()
            timers.clear()

    def _gathered(self, key: K) -> None:
        self._soon.pop(key, None)
        self.add(key)

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
