"""Objects in the chart's API server, and what the operator has made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from webssl_api import labels
from webssl_api.kinds import KINDS
from webssl_localcluster.processes import wait_until

from tests.contract.chart.operator_process import OperatorProcess
from tests.contract.chart.server import Server
from tests.manifests.valid import valid_curation, valid_evaluation, valid_run


def run_in(namespace: str, name: str = "small") -> dict[str, Any]:
    run = valid_run()
    run["metadata"] |= {"namespace": namespace, "name": name}
    return run


def start(server: Server, namespace: str, name: str = "small") -> None:
    """A namespace with one run in it."""
    server.kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
    server.kubectl("create", "-f", "-", stdin=json.dumps(run_in(namespace, name)))


def start_one_of_each(server: Server, namespace: str) -> None:
    """A namespace with an object of every kind in it; none of them needs KubeRay."""
    start(server, namespace)
    create(server, namespace, valid_curation(), engine="job")
    create(server, namespace, valid_evaluation())


def create(server: Server, namespace: str, manifest: dict[str, Any], **spec: Any) -> None:
    manifest["metadata"]["namespace"] = namespace
    manifest["spec"] |= spec
    server.kubectl("create", "-f", "-", stdin=json.dumps(manifest))


def one_job_of_each(server: Server, namespace: str) -> bool:
    """Whether the first Job of an object of every kind is there."""
    jobs = server.kubectl.json("get", "jobs", "--namespace", namespace)["items"]
    owners = {owner["kind"] for job in jobs for owner in job["metadata"].get("ownerReferences", ())}
    return owners >= {kind.name for kind in KINDS}


def found(server: Server, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
    text = server.kubectl("get", kind, name, "--namespace", namespace, "--ignore-not-found", "-o", "json")
    return json.loads(text) if text.strip() else None


def until(check: Callable[[], object], what: str, process: OperatorProcess, seconds: float = 180) -> None:
    """Waits for `check`; a failure shows the operator's log."""
    wait_until(lambda: bool(check()), what, seconds, f"the operator's log:\n{process.log()[-4000:]}")


def pods_of(server: Server, namespace: str) -> list[dict[str, Any]]:
    selector = f"{labels.ROLE}={labels.ROLE_WORKER}"
    return server.kubectl.json("get", "pods", "--namespace", namespace, "--selector", selector)["items"]
