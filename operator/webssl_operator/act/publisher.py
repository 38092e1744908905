"""Publishes events one after another beside the passes; a lost event costs a line in `kubectl describe`, never a pass."""

from __future__ import annotations

import asyncio

import structlog

from webssl_operator.cluster.api import ApiError, ApiServer, Raw

log = structlog.get_logger()


class EventPublisher:
    """A bounded queue of events and the task that empties it. When it is full the oldest event gives way."""

    def __init__(self, api: ApiServer, bound: int = 5000) -> None:
        self._api = api
        self._queue: asyncio.Queue[Raw] = asyncio.Queue(bound)

    def __call__(self, manifest: Raw) -> None:
        """Take an event over."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(manifest)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            manifest = await self._queue.get()
            try:
                await self._api.create(manifest)
            except ApiError as error:
                log.warning("event lost", reason=manifest["reason"], error=str(error))
