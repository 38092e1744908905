"""Leader election by one Lease: the decision is pure, the elector around it reads and writes the Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from webssl_operator.cluster.api import ApiError, ApiServer, Raw

log = structlog.get_logger()
_API = "coordination.k8s.io/v1"
NOT_FOUND = 404


@dataclass(frozen=True)
class Record:
    """What a Lease says. renewed is only compared with itself, so the clocks of two machines never meet."""

    holder: str
    seconds: float
    renewed: str


@dataclass(frozen=True)
class Sighting:
    """A record and when this candidate first saw it in this form, in seconds on its own clock."""

    record: Record | None
    since: float


def sight(before: Sighting | None, record: Record | None, now: float) -> Sighting:
    """Take in a reading: an unchanged record keeps the time of its first sighting."""
    return before if before is not None and before.record == record else Sighting(record, now)


def may_take(sighting: Sighting, identity: str, now: float) -> bool:
    """Whether this candidate may write itself into the Lease: it is free, its own, or not renewed for its whole length."""
    record = sighting.record
    if record is None or record.holder in ("", identity):
        return True
    return now - sighting.since > record.seconds


class Elector:
    """Keeps trying for the Lease `name`; `leading` and `lost` are set once each."""

    def __init__(
        self,
        api: ApiServer,
        namespace: str,
        name: str,
        identity: str,
        seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._api, self._namespace, self._name = api, namespace, name
        self._identity, self._seconds, self._now = identity, seconds, now
        self._sighting: Sighting | None = None
        self.leading = asyncio.Event()
        self.lost = asyncio.Event()

    async def run(self) -> None:
        """Try and renew until the Lease is lost after it was held. A leader stops well before another one may start."""
        renewed = self._now()
        while True:
            begin = self._now()
            if await self._try_once():
                renewed = begin
                if not self.leading.is_set():
                    log.info("leading", identity=self._identity)
                    self.leading.set()
            elif self.leading.is_set() and self._now() - renewed > self._seconds * 2 / 3:
                log.error("the lease is lost", identity=self._identity)
                self.lost.set()
                return
            await asyncio.sleep(self._seconds / 5)

    async def release(self) -> None:
        """Give the Lease back, so that the next leader need not wait."""
        try:
            lease = await self._api.get(_API, "Lease", self._namespace, self._name)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._api.replace(lease)
        except ApiError as error:
            log.info("lease not given back", error=str(error))

    async def _try_once(self) -> bool:
        try:
            async with asyncio.timeout(self._seconds / 3):
                return await self._take()
        except (ApiError, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error))
            return False

    async def _take(self) -> bool:
        try:
            lease: Raw | None = await self._api.get(_API, "Lease", self._namespace, self._name)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            lease = None
        now = self._now()
        self._sighting = sight(self._sighting, _record(lease), now)
        if not may_take(self._sighting, self._identity, now):
            return False
        if lease is None:
            written = await self._api.create(self._manifest({}))
        else:
            written = await self._api.replace(lease | {"spec": self._spec(lease["spec"])})
        self._sighting = Sighting(_record(written), now)
        return True

    def _manifest(self, spec: dict[str, Any]) -> Raw:
        return {
            "apiVersion": _API,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(spec),
        }

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = before.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": before.get("acquireTime", time) if mine else time,
            "renewTime": time,
            "leaseTransitions": int(before.get("leaseTransitions", 0)) + (0 if mine else 1),
        }


def _record(lease: Raw | None) -> Record | None:
    if lease is None:
        return None
    spec = lease.get("spec", {})
    return Record(
        holder=spec.get("holderIdentity", ""),
        seconds=float(spec.get("leaseDurationSeconds", 0)),
        renewed=spec.get("renewTime", ""),
    )
