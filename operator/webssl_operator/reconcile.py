"""One pass: observe, plan, act. And the workers that make passes for as long as the operator lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from webssl_operator.act.executor import Executor, OutdatedError
from webssl_operator.cluster.api import ApiError
from webssl_operator.cluster.caches import Caches
from webssl_operator.kinds.handling import Handling
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.family import Facts, Head
from webssl_operator.plan.decision import Plan
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
        queue: KeyedQueue[Key],
        executor: Executor,
        settings: Settings,
        clock: Callable[[], datetime],
        watcher: Watcher,
        handlings: Mapping[str, Handling],
        ray_jobs: Callable[[], bool],
    ) -> None:
        """handlings: by kind. ray_jobs: whether the API server serves KubeRay's RayJob."""
        self._caches, self._queue, self._executor = caches, queue, executor
        self._settings, self._clock, self._watcher = settings, clock, watcher
        self._handlings, self._ray_jobs = handlings, ray_jobs

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

    async def _guarded(self, key: Key) -> None:
        """A pass whose failure is a matter of this object alone: it is tried again with back-off."""
        begin = time.monotonic()
        bound = log.bind(namespace=key.namespace, kind=key.kind, run=key.name)
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

    async def one_pass(self, key: Key) -> Plan | None:
        """Observe, plan, act; None when the object is gone. Raises ApiError and OutdatedError."""
        family = self._caches.family(key)
        if family is None:
            self._queue.cancel(key)
            return None
        now = self._clock()
        handling = self._handlings[key.kind]
        decided = handling.plan(family, now, self._settings, self._facts(handling, family.head))
        await self._executor.carry_out(family.head, decided)
        if decided.wake is not None:
            self._queue.add_at(key, (decided.wake - now).total_seconds())
        else:
            self._queue.cancel(key)
        if decided.actions or decided.status is not None:
            log.info(
                "pass",
                namespace=key.namespace,
                kind=key.kind,
                run=key.name,
                phase=decided.status.phase if decided.status else family.head.phase,
                actions=[describe(action) for action in decided.actions],
            )
        return decided

    def _facts(self, handling: Handling, head: Head) -> Facts:
        referred = handling.refers_to(head)
        return Facts(
            self._ray_jobs(),
            self._caches.head_of(referred) if referred is not None else None,
            self._caches.neighbours(handling.regards, head.namespace),
        )


def describe(action: object) -> str:
    """An action in few words, for the log."""
    name = getattr(action, "name", None) or getattr(action, "job", None) or action.pod.name  # type: ignore[attr-defined]
    kind = getattr(action, "kind", "")
    return f"{type(action).__name__} {kind} {name}".replace("  ", " ")
