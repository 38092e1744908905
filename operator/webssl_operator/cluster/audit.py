"""Holds the caches against lists of the API server: finds what the watches missed, above all deletions during a broken watch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from webssl_operator.cluster.api import ApiError, ApiServer
from webssl_operator.cluster.caches import Caches
from webssl_operator.cluster.kinds import KINDS, Kind
from webssl_operator.observe.belonging import Key

log = structlog.get_logger()
PAGE = 250
MISSING = frozenset({403, 404})


@dataclass(frozen=True)
class Lag:
    """An object that the API server has in a newer version than the cache."""

    kind: str
    uid: str
    sequence: int
    since: float


class Audit:
    """now: seconds on a monotonic clock. A lag that lasts longer than `patience` seconds means that the watch is stale.

    watched: whether a kind is watched at all.
    """

    def __init__(
        self,
        api: ApiServer,
        caches: Caches,
        wake: Callable[[Key], None],
        namespaces: Collection[str],
        now: Callable[[], float],
        patience: float = 90.0,
        watched: Callable[[Kind], bool] = lambda _: True,
    ) -> None:
        self._api, self._caches, self._wake = api, caches, wake
        self._namespaces = tuple(namespaces) or ("",)
        self._now, self._patience, self._watched = now, patience, watched
        self._lags: list[Lag] = []
        self._done = False

    async def check(self) -> None:
        """List all kinds (names and versions only), drop ghosts, note lags. Raises ApiError."""
        lags: list[Lag] = []
        for kind in filter(self._watched, KINDS):
            for namespace in self._namespaces:
                try:
                    lags += await self._check_kind(kind, namespace)
                except ApiError as error:
                    # Roles of an older version, or a kind that went a moment ago, must not hold up the others.
                    if not kind.optional or error.status not in MISSING:
                        raise
                    log.warning("a kind cannot be looked after: grant rights of the chart", error=str(error))
        known = {(lag.kind, lag.uid): lag for lag in self._open()}
        # A lag that was there before keeps its age, even when the object has changed again since.
        self._lags = [known.get((lag.kind, lag.uid), lag) for lag in lags]
        self._done = True

    def caught_up(self) -> bool:
        """Whether the caches hold all that the last check saw."""
        return self._done and not self._open()

    def stale(self) -> bool:
        """Whether a watch no longer brings changes."""
        return any(self._now() - lag.since > self._patience for lag in self._open())

    def _open(self) -> list[Lag]:
        """Lags that the watches have not made up for."""
        if self._lags:
            cached = {kind: self._caches.sequences(kind) for kind in {lag.kind for lag in self._lags}}
            self._lags = [
                lag
                for lag in self._lags
                if lag.uid not in cached[lag.kind] or cached[lag.kind][lag.uid][0] < lag.sequence
            ]
        return self._lags

    async def _check_kind(self, kind: Kind, namespace: str) -> list[Lag]:
        listed: dict[str, int] = {}
        token, version = "", 0
        while True:
            page = await self._api.list_metadata(kind.api, kind.kind, namespace, kind.selector, PAGE, token)
            for item in page.get("items") or ():
                listed[item["metadata"]["uid"]] = int(item["metadata"]["resourceVersion"])
            version = version or int(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                break
        cached = self._caches.sequences(kind.kind)
        self._bury_ghosts(kind, namespace, listed, version)
        now = self._now()
        return [
            Lag(kind.kind, uid, sequence, now)
            for uid, sequence in listed.items()
            if uid not in cached or cached[uid][0] < sequence
        ]

    def _bury_ghosts(self, kind: Kind, namespace: str, listed: dict[str, int], version: int) -> None:
        """Drop what the cache holds and the list, which is newer, does not."""
        for uid, (sequence, view) in self._caches.sequences(kind.kind).items():
            inside = not namespace or view.namespace == namespace
            if inside and uid not in listed and sequence <= version:
                log.warning("a deletion was missed", kind=kind.kind, namespace=view.namespace, name=view.name)
                key = self._caches.drop(view)
                if key is not None:
                    self._wake(key)
