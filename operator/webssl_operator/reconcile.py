"""One pass: observe, plan, act. And the workers that make passes for as long as the operator lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from webssl_operator.act.executor import Executor, OutdatedError
from webssl_operator.cluster.api import ApiError
from webssl_operator.cluster.caches import Caches, RunKey
from webssl_operator.plan.planner import Plan, plan
from webssl_operator.settings import Settings
from webssl_operator.wakeups.keyed_queue import KeyedQueue

log = structlog.get_logger()


class Watcher(Protocol):
    """Is told how each pass went."""

    def passed(self, seconds: float, plan: Plan | None) -> None: ...
    def failed(self, seconds: float, kind: str) -> None: ...


class Reconciler:
    """Makes passes over the keys of a queue."""

    def __init__(
        self,
        caches: Caches,
        queue: KeyedQueue[RunKey],
        executor: Executor,
        settings: Settings,
        clock: Callable[[], datetime],
        watcher: Watcher,
    ) -> None:
        self._caches, self._queue, self._executor = caches, queue, executor
        self._settings, self._clock, self._watcher = settings, clock, watcher

    async def run(self) -> None:
        """Make passes with bounded concurrency until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.concurrency):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._guarded(key)
            finally:
                self._queue.done(key)

    async def _guarded(self, key: RunKey) -> None:
        """A pass whose failure is a matter of this run alone: it is tried again with back-off."""
        begin = time.monotonic()
        bound = log.bind(namespace=key[0], run=key[1])
        try:
            decided = await self.one_pass(key)
        except OutdatedError as again:
            self._watcher.failed(time.monotonic() - begin, "conflict")
            delay = self._queue.add_after_failure(key)
            bound.info("planning anew", why=str(again), seconds=delay)
        except ApiError as error:
            self._watcher.failed(time.monotonic() - begin, f"http_{error.status}")
            delay = self._queue.add_after_failure(key)
            bound.warning("pass failed", error=str(error), seconds=delay)
        except Exception:
            self._watcher.failed(time.monotonic() - begin, "bug")
            delay = self._queue.add_after_failure(key)
            bound.exception("pass failed", seconds=delay)
        else:
            self._queue.succeeded(key)
            self._watcher.passed(time.monotonic() - begin, decided)

    async def one_pass(self, key: RunKey) -> Plan | None:
        """Observe, plan, act; None when the run is gone. Raises ApiError and OutdatedError."""
        snapshot = self._caches.snapshot(key)
        if snapshot is None:
            self._queue.cancel(key)
            return None
        now = self._clock()
        decided = plan(snapshot, now, self._settings)
        await self._executor.carry_out(snapshot.run, decided)
        if decided.wake is not None:
            self._queue.add_at(key, (decided.wake - now).total_seconds())
        else:
            self._queue.cancel(key)
        if decided.actions or decided.status is not None:
            log.info(
                "pass",
                namespace=key[0],
                run=key[1],
                phase=decided.status.phase if decided.status else snapshot.run.status.phase,
                actions=[describe(action) for action in decided.actions],
            )
        return decided


def describe(action: object) -> str:
    """An action in few words, for the log."""
    name = getattr(action, "name", None) or getattr(action, "job", None) or action.pod.name  # type: ignore[attr-defined]
    kind = getattr(action, "kind", "")
    return f"{type(action).__name__} {kind} {name}".replace("  ", " ")
