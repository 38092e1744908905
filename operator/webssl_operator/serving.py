"""HTTP for probes and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest

Check = Callable[[], str]
"""Returns what is wrong; empty when all is well."""


async def serve(
    health_port: int, metrics_port: int, registry: CollectorRegistry, alive: Check, ready: Check
) -> list[web.AppRunner]:
    """Start both servers; port 0 leaves one out. The caller cleans the runners up. Raises OSError when a port is taken."""

    disable_created_metrics()  # type: ignore[no-untyped-call]

    async def probe(check: Check) -> web.Response:
        wrong = check()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    async def healthz(_: web.Request) -> web.Response:
        return await probe(alive)

    async def readyz(_: web.Request) -> web.Response:
        return await probe(ready)

    async def metrics(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = {
        health_port: [web.get("/healthz", healthz), web.get("/readyz", readyz)],
        metrics_port: [web.get("/metrics", metrics)],
    }
    if health_port == metrics_port:
        routes = {
            health_port: [*routes[health_port], web.get("/healthz", healthz), web.get("/readyz", readyz)]
        }
    runners = []
    for port, paths in routes.items():
        if port:
            runners.append(await _start(port, paths))
    return runners


async def _start(port: int, routes: list[web.RouteDef]) -> web.AppRunner:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner
