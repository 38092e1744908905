"""Who has fallen silent: heartbeats judged by the observer's own clock, so clocks of different machines are never compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Liveness:
    """Remembers when each node's heartbeat changed last.

    A node is dead when its heartbeat has not changed for `expiry` seconds during which this observer could read. After a gap in
    reading (the API server was away, so the others could not write either) everyone gets a fresh allowance.
    """

    def __init__(self, expiry: float, longest_gap: float) -> None:
        self._expiry = expiry
        self._longest_gap = longest_gap
        self._seen: dict[str, tuple[str | None, float]] = {}
        self._last_read: float | None = None

    def observe(self, beats: Mapping[str, str], nodes: Iterable[str], now: float) -> frozenset[str]:
        """Take in one reading and return the ids that are dead by now.

        beats: newest heartbeat value per node id. nodes: the ids to judge. now: seconds on the observer's monotonic clock.
        """
        if self._last_read is not None and now - self._last_read > self._longest_gap:
            self._seen = {node: (beat, now) for node, (beat, _) in self._seen.items()}
        self._last_read = now
        judged = set(nodes)
        seen: dict[str, tuple[str | None, float]] = {}
        for node in judged:
            beat = beats.get(node)
            known = self._seen.get(node)
            seen[node] = known if known is not None and known[0] == beat else (beat, now)
        self._seen = seen
        return frozenset(node for node, (_, since) in seen.items() if now - since >= self._expiry)


class Quiet:
    """How long a value has not changed."""

    def __init__(self) -> None:
        self._value: object = object()
        self._since = 0.0

    def seconds(self, value: object, now: float) -> float:
        """Seconds since `value` became what it is now (0 on a change)."""
        if value != self._value:
            self._value, self._since = value, now
        return now - self._since
