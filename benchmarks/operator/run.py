"""`make bench-operator`: 1,000 runs of two workers on simulated nodes, against 1,000 plain Indexed Jobs of two pods.

Same API server, same session, same client. The trainer ends at once, so what is left is what the operator costs. The plain Jobs are
measured before and after the runs, and the ratio is to their mean. Controller manager and scheduler run with Kubernetes' own request
limits, as in any cluster that nobody has tuned; `--without-limits` raises them, and then the API server's CPU decides.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import client, config
from webssl_api.crd import run_crd
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.state import Spec
from webssl_operator.cluster.api import ApiError, HttpApiServer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.operator import manifests, simulation  # noqa: E402
from benchmarks.operator.arm import Arm, clear, measure  # noqa: E402
from benchmarks.operator.memory import Sampler  # noqa: E402

PLAIN, RUNS = "bench-plain", "bench-runs"


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="runs, and plain Jobs")
    parser.add_argument("--parallel", type=int, default=16, help="objects created at a time")
    parser.add_argument("--nodes", type=int, default=4, help="simulated nodes")
    parser.add_argument(
        "--without-limits",
        action="store_true",
        help="let controller manager and scheduler ask ten times as often as Kubernetes' defaults",
    )
    parser.add_argument("--kubeconfig", type=Path, help="use this cluster, which has kwok nodes already")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up")
    given = parser.parse_args()
    with _cluster(given) as kubeconfig:
        result = asyncio.run(_benchmark(kubeconfig, given.count, given.parallel))
    result["request_limits"] = "raised tenfold" if given.without_limits else "Kubernetes' defaults"
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"operator-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(_table(result) + f"stored in {file.relative_to(ROOT)}\n")
    return 0


@contextlib.contextmanager
def _cluster(given: argparse.Namespace) -> Iterator[Path]:
    if given.kubeconfig:
        yield given.kubeconfig
        return
    cluster = LocalCluster("bench-operator")
    cluster.up(Spec(nodes=0, s3=False, prometheus=False))
    try:
        simulation.start(cluster, given.nodes, limits=not given.without_limits)
        yield cluster.kubeconfig
    finally:
        if not given.keep:
            cluster.down(purge=True)


async def _benchmark(kubeconfig: Path, count: int, parallel: int) -> dict[str, Any]:
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    configuration.connection_pool_maxsize = 2 * parallel
    api = HttpApiServer(configuration)
    host = str(configuration.host)
    plain = Arm(
        "plain Jobs",
        f"/apis/batch/v1/namespaces/{PLAIN}/jobs",
        b'"type":"Complete"',
        lambda name: manifests.plain_job(PLAIN, name),
    )
    runs = Arm(
        "runs",
        f"/apis/webssl.dev/v1alpha1/namespaces/{RUNS}/websslruns",
        b'"phase":"Succeeded"',
        lambda name: manifests.run(RUNS, name),
    )
    connector = aiohttp.TCPConnector(ssl=_tls(configuration), limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**21) as session:
        await _prepare(session, host)
        await clear(session, host, plain, f"/api/v1/namespaces/{PLAIN}/pods")
        await clear(session, host, runs, f"/api/v1/namespaces/{RUNS}/pods")
        before = await measure(plain, api, session, host, count, parallel)
        await clear(session, host, plain, f"/api/v1/namespaces/{PLAIN}/pods")
        with _operator(kubeconfig) as process:
            sampler = Sampler(process.pid)
            await _until_leading(process)
            during = await measure(runs, api, session, host, count, parallel)
            await asyncio.sleep(5)
            memory = sampler.read()
        await clear(session, host, runs, f"/api/v1/namespaces/{RUNS}/pods")
        after = await measure(plain, api, session, host, count, parallel)
    await api.close()
    mean = (before + after) / 2
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "count": count,
        "machine": {"cpus": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "plain_seconds": [round(before, 2), round(after, 2)],
        "runs_seconds": round(during, 2),
        "ratio": round(during / mean, 3),
        "operator_peak_mib": round(memory.peak_mib, 1),
        "operator_cpu_seconds": round(memory.cpu_seconds, 1),
    }


def _tls(configuration: client.Configuration) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    return context


async def _prepare(session: aiohttp.ClientSession, host: str) -> None:
    """Kind and namespaces; both may be there already."""
    crds = f"{host}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for path, body in (
        (crds, run_crd()),
        (f"{host}/api/v1/namespaces", manifests.namespace(PLAIN)),
        (f"{host}/api/v1/namespaces", manifests.namespace(RUNS)),
    ):
        async with session.post(path, json=body) as answer:
            if answer.status not in (201, 409):
                raise ApiError(answer.status, f"POST {path}", (await answer.text())[:300])
    name = run_crd()["metadata"]["name"]
    for _ in range(100):
        async with session.get(f"{crds}/{name}") as answer:
            conditions = (await answer.json()).get("status", {}).get("conditions") or ()
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{name} was not established within 10 s: {yaml.safe_dump(conditions)}")


@contextlib.contextmanager
def _operator(kubeconfig: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The operator as a process of its own, as in a pod but without its container."""
    log = ROOT / "benchmarks" / "results" / "operator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "WEBSSL_LOG_LEVEL": "warning"}
    words = [sys.executable, "-m", "webssl_operator", "--health-port=0", "--metrics-port=0"]
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=environment, stderr=output, stdout=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


async def _until_leading(process: subprocess.Popen[bytes]) -> None:
    """A short rest after which it leads and watches: the clock runs for runs, not for imports."""
    begin = time.monotonic()
    while time.monotonic() - begin < 8:
        if process.poll() is not None:
            raise RuntimeError("the operator ended at once: see benchmarks/results/operator.log")
        await asyncio.sleep(0.2)


def _table(result: dict[str, Any]) -> str:
    plain = " and ".join(f"{seconds:.1f}" for seconds in result["plain_seconds"])
    return (
        f"requests of controller manager and scheduler: {result['request_limits']}\n"
        f"{result['count']} plain Indexed Jobs of 2 pods: {plain} s\n"
        f"{result['count']} runs of 2 workers:            {result['runs_seconds']:.1f} s\n"
        f"ratio {result['ratio']:.2f} (goal: 2.0 or less); operator: peak {result['operator_peak_mib']:.0f} MiB "
        f"(goal: under 300), {result['operator_cpu_seconds']:.0f} s of CPU\n"
    )


if __name__ == "__main__":
    sys.exit(main())
