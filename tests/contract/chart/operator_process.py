"""The operator as a process of this machine, with the identity and the environment that the chart gives its pods."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from webssl_localcluster.processes import wait_until

from tests.contract.chart.programs import NAMESPACE
from tests.contract.chart.server import Server
from tests.contract.ports import free_ports

DEPLOYMENT = "webssl-webssl-operator"


class OperatorProcess:
    """One running operator.

    Args:
        log: where it writes.
        health, metrics: its ports on loopback.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, health: int, metrics: int) -> None:
        self._process = process
        self._log = log
        self.health = health
        self.metrics = metrics

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text()

    def get(self, port: int, path: str) -> httpx.Response | None:
        """The answer to a request, or None when nothing listens."""
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60, trust_env=False)
        except httpx.HTTPError:
            return None

    def ready(self) -> bool:
        assert self.running, self.log()
        answer = self.get(self.health, "/readyz")
        return answer is not None and answer.status_code == 200


@contextmanager
def operator(server: Server, folder: Path) -> Iterator[OperatorProcess]:
    """Runs the operator as the chart's Deployment in the server would; stops it at the end."""
    health, metrics = free_ports(2)
    environment = chart_environment(server) | {
        "KUBECONFIG": str(_kubeconfig(server, folder)),
        "WEBSSL_HEALTH_PORT": str(health),
        "WEBSSL_METRICS_PORT": str(metrics),
    }
    log = folder / "operator.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "webssl_operator"],
            env={**os.environ, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    running = OperatorProcess(process, log, health, metrics)
    try:
        wait_until(running.ready, "operator ready", 180, f"look at {log}")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def chart_environment(server: Server) -> dict[str, str]:
    """The environment of the Deployment's container, with what the kubelet would fill in."""
    deployment = server.kubectl.json("get", "deployment", DEPLOYMENT, "--namespace", NAMESPACE)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    fields = {"metadata.name": f"{DEPLOYMENT}-0", "metadata.namespace": NAMESPACE}
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in container["env"]
        if "value" in entry or "valueFrom" in entry
    }


def _kubeconfig(server: Server, folder: Path) -> Path:
    """A kubeconfig with a token of the chart's ServiceAccount and nothing else."""
    token = server.kubectl("create", "token", DEPLOYMENT, "--namespace", NAMESPACE, "--duration=1h").strip()
    cluster = server.cluster
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
        "clusters": [
            {
                "name": "test",
                "cluster": {
                    "server": cluster.plan.api_url,
                    "certificate-authority": str(cluster.authority.certificate("ca")),
                },
            }
        ],
        "users": [{"name": "operator", "user": {"token": token}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path
