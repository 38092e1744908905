"""List and watch of one kind of child, straight into the caches.

kopf spends more on one event than the operator spends on the pass that follows from it, and children make nine of ten events; see
note 0004. A relist finds deletions that happened while no watch ran.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from webssl_operator.cluster.api import ApiError, HttpApiServer
from webssl_operator.cluster.caches import Caches
from webssl_operator.cluster.kinds import Kind
from webssl_operator.observe.belonging import Key

log = structlog.get_logger()
PAGE = 250
WATCH_SECONDS = 240
"""Length of one watch; the next goes on where it ended."""
SILENCE_SECONDS = 90.0
"""Bookmarks come every minute, so a watch that is silent for longer is dead."""
GONE = 410
NOT_FOUND = 404


class Expired(Exception):  # noqa: N818
    """The API server no longer knows the version to go on from: list again."""


async def follow(
    api: HttpApiServer, kind: Kind, namespace: str, caches: Caches, wake: Callable[[Key], None]
) -> None:
    """Keep the caches up to date; namespace "" for all. Faults of the API server are waited out.

    Ends only when an optional kind is no longer served, and with the kind its objects.
    """
    pause = 0.2
    while True:
        try:
            version = await _list(api, kind, namespace, caches, wake)
            pause = 0.2
            while True:
                version = await _watch(api, kind, namespace, version, caches, wake)
        except Expired:
            log.info("listing again", kind=kind.kind)
        except ApiError as error:
            if kind.optional and error.status == NOT_FOUND:
                log.info("no longer served", kind=kind.kind)
                return _drop_all(kind, namespace, caches, wake)
            log.warning("watch broken", kind=kind.kind, error=str(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(10.0, 2 * pause)


def _drop_all(kind: Kind, namespace: str, caches: Caches, wake: Callable[[Key], None]) -> None:
    for _, view in caches.sequences(kind.kind).values():
        if not namespace or view.namespace == namespace:
            _wake(caches.drop(view), wake)


async def _list(
    api: HttpApiServer, kind: Kind, namespace: str, caches: Caches, wake: Callable[[Key], None]
) -> str:
    """Take in all objects and drop those that are no more; returns the version of the list."""
    listed: set[str] = set()
    token = version = ""
    while True:
        page = await api.list_page(kind.api, kind.kind, namespace, kind.selector, PAGE, token)
        for item in page.get("items") or ():
            listed.add(item["metadata"]["uid"])
            _wake(kind.put(caches, kind.view(item, caches)), wake)
        version = version or str(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    for uid, (sequence, view) in caches.sequences(kind.kind).items():
        inside = not namespace or view.namespace == namespace
        if inside and uid not in listed and sequence <= int(version):
            _wake(caches.drop(view), wake)
    return version


async def _watch(
    api: HttpApiServer,
    kind: Kind,
    namespace: str,
    version: str,
    caches: Caches,
    wake: Callable[[Key], None],
) -> str:
    """Take in changes until the watch ends; returns the version to go on from. Raises Expired and ApiError."""
    events = api.watch(kind.api, kind.kind, namespace, kind.selector, version, WATCH_SECONDS, SILENCE_SECONDS)
    async for event in events:
        what, found = event["type"], event["object"]
        if what == "ERROR":
            if found.get("code") == GONE:
                raise Expired
            raise ApiError(int(found.get("code", 0)), f"watch {kind.kind}", str(found.get("message")))
        version = str(found["metadata"]["resourceVersion"])
        if what == "BOOKMARK":
            continue
        view = kind.view(found, caches)
        _wake(caches.drop(view) if what == "DELETED" else kind.put(caches, view), wake)
    return version


def _wake(key: Key | None, wake: Callable[[Key], None]) -> None:
    if key is not None:
        wake(key)
