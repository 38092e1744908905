"""One arm of the benchmark: create many objects, and wait until the API server says that all are done."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from webssl_operator.cluster.api import HttpApiServer

from benchmarks.operator.manifests import Manifest

_NAME = re.compile(rb'"name":"([a-z0-9-]+)"')


@dataclass(frozen=True)
class Arm:
    """path: of the objects' collection. done: bytes that stand in an object's JSON once it is done, and never before."""

    name: str
    path: str
    done: bytes
    manifest: Callable[[str], Manifest]


async def measure(
    arm: Arm, api: HttpApiServer, session: aiohttp.ClientSession, host: str, count: int, parallel: int
) -> float:
    """Wall seconds from the first create to the last object that is done. Raises RuntimeError after 30 minutes."""
    finished: set[bytes] = set()
    watching = asyncio.Event()
    watch = asyncio.create_task(_watch(arm, session, host, finished, watching))
    await watching.wait()
    begin = time.monotonic()
    await _create(arm, api, count, parallel)
    created = time.monotonic() - begin
    while len(finished) < count:
        if watch.done():
            watch.result()
        if time.monotonic() - begin > 1800:
            raise RuntimeError(f"{arm.name}: {len(finished)} of {count} were done after 30 minutes")
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - begin
    watch.cancel()
    print(f"{arm.name}: {count} done in {seconds:.1f} s (created in {created:.1f} s)", flush=True)  # noqa: T201
    return seconds


async def _create(arm: Arm, api: HttpApiServer, count: int, parallel: int) -> None:
    names = iter([f"r{number:05d}" for number in range(count)])

    async def work() -> None:
        for name in names:
            await api.create(arm.manifest(name))

    await asyncio.gather(*(work() for _ in range(parallel)))


async def _watch(
    arm: Arm, session: aiohttp.ClientSession, host: str, finished: set[bytes], watching: asyncio.Event
) -> None:
    """Every line is one change; only names and the done mark are looked for, so that watching costs little.

    A watch ends now and then; what was done in between is found in the list that the next one starts from.
    """
    while True:
        async with session.get(f"{host}{arm.path}") as answer:
            listed = await answer.json()
        for item in listed.get("items") or ():
            if arm.done in json.dumps(item, separators=(",", ":")).encode():
                finished.add(item["metadata"]["name"].encode())
        params = {
            "watch": "true",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": "1700",
        }
        async with session.get(f"{host}{arm.path}", params=params) as answer:
            answer.raise_for_status()
            watching.set()
            async for line in answer.content:
                if arm.done in line:
                    found = _NAME.search(line)
                    if found:
                        finished.add(found.group(1))


async def clear(session: aiohttp.ClientSession, host: str, arm: Arm, pods: str) -> None:
    """Delete all objects of an arm and wait until they and their pods are gone."""
    body = json.dumps({"propagationPolicy": "Background"})
    headers = {"Content-Type": "application/json"}
    async with session.delete(f"{host}{arm.path}", data=body, headers=headers) as answer:
        answer.raise_for_status()
    for path in (arm.path, pods):
        while True:
            async with session.get(f"{host}{path}", params={"limit": "1"}) as answer:
                if not (await answer.json()).get("items"):
                    break
            await asyncio.sleep(1)
