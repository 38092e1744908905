"""List and watch of children: nothing is missed when a watch ends, expires or breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from webssl_api import labels
from webssl_operator.cluster.api import ApiError
from webssl_operator.cluster.caches import Caches
from webssl_operator.cluster.kinds import CHILD_KINDS
from webssl_operator.cluster.stream import follow
from webssl_operator.observe.belonging import Key

PODS = next(kind for kind in CHILD_KINDS if kind.kind == "Pod")
Raw = dict[str, Any]


def pod(uid: str, version: int) -> Raw:
    tags = {labels.RUN: "small", labels.ROLE: labels.ROLE_WORKER}
    meta = {"name": uid, "namespace": "default", "uid": uid, "labels": tags, "resourceVersion": str(version)}
    return {"metadata": meta, "status": {"phase": f"v{version}"}}


class Script:
    """Answers lists and watches from a script; hangs, as a quiet watch does, when it is at its end."""

    def __init__(self, lists: list[list[Raw]], watches: list[list[Raw] | ApiError]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[str] = []
        self.quiet = asyncio.Event()

    async def list_page(self, *_: Any) -> Raw:
        self.asked.append("list")
        items = self.lists.pop(0)
        versions = [int(item["metadata"]["resourceVersion"]) for item in items]
        return {"metadata": {"resourceVersion": str(max([10, *versions]))}, "items": items}

    async def watch(self, *arguments: Any) -> AsyncIterator[Raw]:
        self.asked.append(f"watch from {arguments[4]}")
        if not self.watches:
            self.quiet.set()
            await asyncio.Event().wait()
        events = self.watches.pop(0)
        if isinstance(events, ApiError):
            raise events
        for event in events:
            yield event


async def test_with_an_optional_kind_go_its_objects_and_the_watch_ends() -> None:
    script, caches, woken = Script([[pod("a", 5)]], [ApiError(404, "watch", "no such kind")]), Caches(), []
    optional = replace(PODS, optional=True)
    await asyncio.wait_for(follow(script, optional, "", caches, woken.append), 60)  # type: ignore[arg-type]
    assert versions(caches) == {}
    assert woken == [Key("default", "small"), Key("default", "small")]


async def play(lists: list[list[Raw]], watches: list[list[Raw] | ApiError]) -> tuple[Script, Caches]:
    script, caches = Script(lists, watches), Caches()
    task = asyncio.create_task(follow(script, PODS, "", caches, lambda key: None))  # type: ignore[arg-type]
    await asyncio.wait_for(script.quiet.wait(), 60)
    task.cancel()
    return script, caches


def change(what: str, raw: Raw) -> Raw:
    return {"type": what, "object": raw}


def versions(caches: Caches) -> dict[str, int]:
    return {uid: sequence for uid, (sequence, _) in caches.sequences("Pod").items()}


async def test_a_watch_that_ends_goes_on_from_the_last_version_and_bookmarks_count() -> None:
    bookmark = change("BOOKMARK", {"metadata": {"resourceVersion": "40"}})
    script, caches = await play([[pod("a", 5)]], [[change("MODIFIED", pod("a", 20)), bookmark], []])
    assert script.asked == ["list", "watch from 10", "watch from 40", "watch from 40"]
    assert versions(caches) == {"a": 20}


async def test_an_expired_version_is_mended_by_a_list_which_also_finds_deletions() -> None:
    expired = change("ERROR", {"code": 410, "message": "too old"})
    script, caches = await play([[pod("a", 5), pod("b", 6)], [pod("b", 30)]], [[expired]])
    assert script.asked == ["list", "watch from 10", "list", "watch from 30"]
    assert versions(caches) == {"b": 30}


async def test_a_broken_connection_is_tried_again() -> None:
    script, caches = await play([[pod("a", 5)], [pod("a", 7)]], [ApiError(0, "watch", "reset")])
    assert script.asked == ["list", "watch from 10", "list", "watch from 10"]
    assert versions(caches) == {"a": 7}


async def test_a_deletion_is_taken_out() -> None:
    _, caches = await play([[pod("a", 5), pod("b", 6)]], [[change("DELETED", pod("a", 20))]])
    assert versions(caches) == {"b": 6}
