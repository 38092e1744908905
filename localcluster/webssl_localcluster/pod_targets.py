"""Tells Prometheus which pods to scrape: watches pods and keeps a target file, which Prometheus watches in turn.

Debian builds Prometheus without its Kubernetes discovery. This does the same for pods annotated
``prometheus.io/scrape: "true"`` (with ``/port``, ``/path`` and ``/scheme``), with the labels that Prometheus' usual
pod configuration gives: ``namespace``, ``pod``, ``node`` and every pod label. Runs as a process of its own:
``python -m webssl_localcluster.pod_targets API_URL CA CERTIFICATE KEY TARGET_FILE``.
"""

from __future__ import annotations

import json
import re
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

RETRY_SECONDS = 1.0
# The API server ends a watch after this long; a fresh list follows, which also mends whatever was missed.
WATCH_SECONDS = 120
ANNOTATION = "prometheus.io"


def target_of(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry of Prometheus' target file for one pod, or None if the pod is not to be scraped now."""
    meta = pod.get("metadata", {})
    status = pod.get("status", {})
    annotations = meta.get("annotations") or {}
    address = status.get("podIP")
    running = status.get("phase") == "Running" and not meta.get("deletionTimestamp")
    if annotations.get(f"{ANNOTATION}/scrape") != "true" or not running or not address:
        return None
    port = annotations.get(f"{ANNOTATION}/port") or _first_port(pod)
    if port is None:
        return None
    labels = {label_name(name): value for name, value in (meta.get("labels") or {}).items()}
    labels |= {
        "namespace": meta["namespace"],
        "pod": meta["name"],
        "node": pod.get("spec", {}).get("nodeName", ""),
        "__metrics_path__": annotations.get(f"{ANNOTATION}/path", "/metrics"),
        "__scheme__": annotations.get(f"{ANNOTATION}/scheme", "http"),
    }
    return {"targets": [f"{address}:{port}"], "labels": labels}


def label_name(name: str) -> str:
    """A Kubernetes label's name as a Prometheus label name."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def render(pods: Mapping[str, Mapping[str, Any]]) -> str:
    """The target file for the pods, by uid; the order is that of names, so that equal states give equal files."""
    entries = [target for pod in pods.values() if (target := target_of(pod)) is not None]
    return json.dumps(sorted(entries, key=lambda entry: str(entry["labels"])), indent=1) + "\n"


def apply_event(pods: dict[str, dict[str, Any]], event: Mapping[str, Any]) -> None:
    """Folds one watch event into ``pods``.

    Raises:
        ConnectionError: the event says that the watch is over (an ERROR event, such as an expired version).
    """
    if event["type"] == "ERROR":
        raise ConnectionError(str(event["object"]))
    uid = event["object"]["metadata"].get("uid")
    if event["type"] == "DELETED":
        pods.pop(uid, None)
    elif event["type"] in {"ADDED", "MODIFIED"}:
        pods[uid] = event["object"]


def _first_port(pod: Mapping[str, Any]) -> int | None:
    for container in pod.get("spec", {}).get("containers", []):
        for port in container.get("ports") or []:
            return int(port["containerPort"])
    return None


class TargetFile:
    """Written only when the content changes, and never half."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, content: str) -> None:
        if self._path.exists() and self._path.read_text() == content:
            return
        temporary = self._path.with_suffix(".new")
        temporary.write_text(content)
        temporary.replace(self._path)


def follow(client: httpx.Client, file: TargetFile) -> None:
    """One list and the watch after it; returns when the watch ends."""
    listed = client.get("/api/v1/pods").raise_for_status().json()
    pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
    file.write(render(pods))
    query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
    query["timeoutSeconds"] = str(WATCH_SECONDS)
    with client.stream("GET", "/api/v1/pods", params=query, timeout=WATCH_SECONDS + 30) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            apply_event(pods, json.loads(line))
            file.write(render(pods))


def main() -> None:
    url, ca, certificate, key, path = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    file = TargetFile(Path(path))
    with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=10) as client:
        while True:
            try:
                follow(client, file)
            except (httpx.HTTPError, ConnectionError, ValueError) as error:
                sys.stderr.write(f"{error}; trying again\n")
                sys.stderr.flush()
                time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
