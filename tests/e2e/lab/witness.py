"""Reads along: follows the log of every worker pod of a run from its first line, so that a killed pod's words are kept."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError
from webssl_api import labels


class Witness:
    """Follows all worker pods of one run until `stop`. Lines are kept per pod, in order."""

    def __init__(self, core: client.CoreV1Api, namespace: str, run: str) -> None:
        self._core, self._namespace, self._run = core, namespace, run
        self._stop = threading.Event()
        self._lines: dict[str, list[str]] = {}
        self._threads: list[threading.Thread] = []
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def pods(self) -> list[str]:
        """Names of all worker pods that ever ran."""
        return list(self._lines)

    def events(self, event: str) -> list[dict[str, Any]]:
        """All structured log records of that name, over all pods."""
        records = []
        for lines in list(self._lines.values()):
            for line in list(lines):
                if line.startswith("{"):
                    try:
                        record = json.loads(line)
                    except json.JSONDecodeError:
                        continue  # the line that a kill cut off
                    if record.get("event") == event:
                        records.append(record)
        return records

    def text(self) -> str:
        """Everything, for a failing test's message."""
        return "\n".join(f"--- {pod}\n" + "\n".join(lines[-40:]) for pod, lines in list(self._lines.items()))

    def stop(self) -> None:
        """Stop following once the streams have ended."""
        self._stop.set()
        for thread in [self._watcher, *self._threads]:
            thread.join(timeout=120)

    def _watch(self) -> None:
        selector = f"{labels.RUN}={self._run},{labels.ROLE}={labels.ROLE_WORKER}"
        while not self._stop.is_set():
            try:
                pods = self._core.list_namespaced_pod(self._namespace, label_selector=selector).items
            except (client.ApiException, HTTPError):
                pods = []
            for pod in pods:
                name = pod.metadata.name
                if pod.status.phase in ("Running", "Succeeded", "Failed") and name not in self._lines:
                    self._lines[name] = []
                    thread = threading.Thread(target=self._follow, args=(name,), daemon=True)
                    self._threads.append(thread)
                    thread.start()
            time.sleep(0.3)

    def _follow(self, pod: str) -> None:
        while True:
            lines: list[str] = []
            try:
                stream = self._core.read_namespaced_pod_log(
                    pod, self._namespace, follow=True, _preload_content=False
                )
                for line in stream:
                    lines.append(line.decode(errors="replace").rstrip("\n"))
                    if len(lines) > len(self._lines[pod]):
                        self._lines[pod] = lines
                return
            except (client.ApiException, HTTPError) as error:
                # Gone: what it said so far is kept. Else a busy node has not answered: from the first line again.
                if self._stop.is_set() or getattr(error, "status", None) == 404:
                    return
            time.sleep(0.3)
