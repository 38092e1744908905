"""The operator as a process of its own, beside the API server of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.contract.ports import free_ports


class OperatorProcess:
    """`python -m webssl_operator` with a name, against one kubeconfig.

    seconds: of its Lease. A leader that cannot renew it for two thirds of that ends, and with it all tests after.
    """

    def __init__(self, kubeconfig: Path, folder: Path, name: str, lease: str, seconds: int = 30) -> None:
        self.log = folder / f"{name}.log"
        self.health, self.metrics = free_ports(2)
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": name,
            "WEBSSL_LEASE_NAME": lease,
            "WEBSSL_LEASE_SECONDS": str(seconds),
            "WEBSSL_HEALTH_PORT": str(self.health),
            "WEBSSL_METRICS_PORT": str(self.metrics),
            "WEBSSL_TRAINER_IMAGE": "example/trainer:1",
            "WEBSSL_EVAL_IMAGE": "example/eval:1",
            "WEBSSL_STATUS_INTERVAL": "0",
            "WEBSSL_DISCOVERY_SECONDS": "2",
        }
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "webssl_operator"], env=environment, stdout=output, stderr=output
            )

    def alive(self) -> bool:
        return self._process.poll() is None

    def probe(self, path: str) -> int:
        """HTTP status of a probe; 0 while nobody answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.health}{path}", timeout=60, trust_env=False).status_code
        except httpx.TransportError:
            return 0

    def series(self, name: str) -> float | None:
        """Value of a series without labels; None when there is none yet."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self.metrics}/metrics", timeout=60, trust_env=False).text
        except httpx.TransportError:
            return None
        values = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(values[0]) if values else None

    def leads(self) -> bool:
        return self.series("webssl_operator_leading") == 1.0

    def rests(self) -> bool:
        """Leads, has made passes, and has none to make."""
        passes = self.series("webssl_operator_pass_seconds_count")
        return self.leads() and bool(passes) and self.series("webssl_operator_queue_depth") == 0

    def kill(self) -> None:
        """As a power cut."""
        self._process.kill()
        self._process.wait(timeout=120)

    def stop(self) -> int:
        """As the kubelet does; returns the exit code."""
        if self.alive():
            self._process.terminate()
        return self._process.wait(timeout=300)
