"""The operator as a process: Lease, then watches, audit, passes and events, until a signal or the loss of the Lease."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from webssl_operator.act.executor import Executor
from webssl_operator.act.publisher import EventPublisher
from webssl_operator.cluster.api import ApiError, HttpApiServer, load_configuration
from webssl_operator.cluster.audit import Audit
from webssl_operator.cluster.caches import Caches
from webssl_operator.cluster.discovery import Served
from webssl_operator.cluster.kinds import KINDS, OWN_KINDS, RUN_KIND, Kind
from webssl_operator.cluster.lease import Elector
from webssl_operator.cluster.stream import follow
from webssl_operator.cluster.watches import watch_runs
from webssl_operator.kinds.registry import BY_NAME, HANDLINGS
from webssl_operator.metrics.own import OwnMetrics
from webssl_operator.observe import rayjob
from webssl_operator.observe.belonging import Key
from webssl_operator.reconcile import Reconciler
from webssl_operator.serving import serve
from webssl_operator.settings import Settings
from webssl_operator.wakeups.keyed_queue import KeyedQueue

log = structlog.get_logger()
AUDIT_SECONDS = 300.0
CATCH_UP_SECONDS = 30.0
LATE_KIND_SECONDS = 2.0


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Operator:
    """Puts the parts together; one instance is one life of the process."""

    def __init__(self, settings: Settings, api: HttpApiServer) -> None:
        self._settings, self._api = settings, api
        self._caches = Caches()
        self._queue: KeyedQueue[Key] = KeyedQueue()
        self._served = Served(api)
        self._audit = Audit(
            api, self._caches, self._queue.add, settings.namespaces, time.monotonic, watched=self._watched
        )
        self._registry = CollectorRegistry()
        for handling in HANDLINGS:
            heads = partial(self._caches.heads, handling.kind.name)
            self._registry.register(handling.collector(heads, utc_now))
        self._metrics = OwnMetrics(self._registry, self._queue.__len__, self._audit.stale)
        self._publisher = EventPublisher(api)
        executor = Executor(api, self._caches, self._publisher, utc_now, settings.identity)
        self._reconciler = Reconciler(
            self._caches,
            self._queue,
            executor,
            settings,
            utc_now,
            self._metrics,
            BY_NAME,
            ray_jobs=lambda: self._served.has(rayjob.API, rayjob.KIND),
        )
        self._elector = Elector(
            api,
            settings.own_namespace,
            settings.lease_name,
            settings.identity,
            settings.lease_seconds,
            time.monotonic,
        )
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal (exit code 0) or a fault that a fresh process mends better (1)."""
        self._catch_signals()
        servers = await serve(
            self._settings.health_port, self._settings.metrics_port, self._registry, self._alive, self._ready
        )
        election = asyncio.create_task(self._elect(), name="election")
        try:
            await _first(self._stop.wait(), self._elector.leading.wait())
            if self._stop.is_set():
                return 0
            self._metrics.leading.set(1)
            return await self._lead(election)
        finally:
            election.cancel()
            if self._elector.leading.is_set() and self._settings.leader_election:
                await self._elector.release()
            for server in servers:
                await server.cleanup()

    def _waker(self, kind: Kind) -> Callable[[Key], None]:
        return partial(self._queue.add_soon, gather=kind.gather)

    async def _elect(self) -> None:
        if self._settings.leader_election:
            await self._elector.run()
        else:
            self._elector.leading.set()

    async def _lead(self, election: asyncio.Task[None]) -> int:
        """The work of the leader. Whatever ends first ends all."""
        del election
        watching = asyncio.Event()
        await self._discover()
        tasks = [
            asyncio.create_task(
                watch_runs(self._caches, self._waker(RUN_KIND), self._settings.namespaces, watching)
            ),
            *(
                asyncio.create_task(self._follow(kind, namespace))
                for kind in KINDS
                if kind is not RUN_KIND
                for namespace in self._settings.namespaces or ("",)
            ),
            asyncio.create_task(self._discover_for_ever()),
            asyncio.create_task(self._work()),
            asyncio.create_task(self._audit_for_ever()),
            asyncio.create_task(self._publisher.run()),
            asyncio.create_task(self._elector.lost.wait()),
            asyncio.create_task(self._stop.wait()),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # kopf installs its own signal handlers; a watch that ends without an error was stopped by one.
        faults = [task for task in done if task.exception() is not None]
        for fault in faults:
            log.error("a part of the operator ended", exc_info=fault.exception())
        self._queue.close()
        watching.set()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(*tasks, return_exceptions=True)
        return 1 if faults or self._elector.lost.is_set() else 0

    def _watched(self, kind: Kind) -> bool:
        return not kind.optional or self._served.has(kind.api, kind.kind)

    async def _follow(self, kind: Kind, namespace: str) -> None:
        """Follow a kind whenever the API server serves it."""
        while True:
            while not self._watched(kind):
                await asyncio.sleep(LATE_KIND_SECONDS)
            await follow(self._api, kind, namespace, self._caches, self._waker(kind))
            await asyncio.sleep(LATE_KIND_SECONDS)

    async def _discover(self) -> bool:
        """Look which of the optional kinds are served; False when the API server does not say."""
        try:
            for api in sorted({kind.api for kind in KINDS if kind.optional}):
                await self._served.refresh(api)
        except ApiError as error:
            log.warning("cannot see which kinds are served", error=str(error))
            return False
        return True

    async def _discover_for_ever(self) -> None:
        """A kind may come later: KubeRay, or the CRDs of a newer chart."""
        told = False
        while True:
            missing = [kind.kind for kind in OWN_KINDS if not self._watched(kind)]
            if missing and not told:
                log.warning("kinds are not served: install the CRDs of this version's chart", kinds=missing)
                told = True
            await asyncio.sleep(self._settings.discovery if await self._discover() else LATE_KIND_SECONDS)

    async def _work(self) -> None:
        """Make passes, once the caches hold what was there at the start: half a picture would plan nonsense."""
        await self._catch_up()
        log.info("caches are filled", runs=len(self._caches.keys()))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reconciler.run())
            group.create_task(self._resync())

    async def _catch_up(self) -> None:
        while not self._audit.caught_up():
            try:
                await self._audit.check()
            except ApiError as error:
                log.warning("waiting for the API server", error=str(error))
                await asyncio.sleep(1)
                continue
            until = time.monotonic() + CATCH_UP_SECONDS
            while not self._audit.caught_up() and time.monotonic() < until:
                await asyncio.sleep(0.1)

    async def _audit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_SECONDS if self._audit.caught_up() else CATCH_UP_SECONDS)
            try:
                await self._audit.check()
            except ApiError as error:
                log.warning("audit failed", error=str(error))

    async def _resync(self) -> None:
        """Apply everything again from time to time, spread over the interval: not every kind of child is watched."""
        while True:
            keys = self._caches.keys()
            pause = self._settings.resync / max(1, len(keys))
            if not keys:
                await asyncio.sleep(self._settings.resync)
            for key in keys:
                await asyncio.sleep(pause)
                self._caches.forget_applied(key)
                self._queue.add(key)

    def _alive(self) -> str:
        if self._elector.lost.is_set():
            return "the lease is lost"
        return "a watch no longer brings changes" if self._audit.stale() else ""

    def _ready(self) -> str:
        """A standby is ready: it can take over at any time."""
        return "stopping" if self._stop.is_set() else ""

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def main(settings: Settings) -> int:
    """Connect and run; returns the exit code."""
    api = HttpApiServer(await load_configuration())
    try:
        return await Operator(settings, api).run()
    finally:
        await api.close()
