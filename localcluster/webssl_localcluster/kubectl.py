"""kubectl against one kubeconfig."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .commands import run
from .errors import ClusterError


class Kubectl:
    """Runs kubectl; every call names the kubeconfig, so that the user's own is never touched.

    Args:
        context: a context of ``kubeconfig``; None: its current one.
    """

    def __init__(self, binary: Path, kubeconfig: Path, context: str | None = None) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig
        self._context = ["--context", context] if context else []

    def __call__(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Standard output of ``kubectl WORDS``.

        Raises:
            ClusterError: it fails; with what it wrote.
        """
        return run(
            [self.binary, "--kubeconfig", self.kubeconfig, *self._context, *words],
            stdin=stdin,
            timeout=timeout,
            mend="look at the cluster: webssl cluster status",
        )

    def json(self, *words: str) -> Any:
        """The parsed output of ``kubectl WORDS -o json``."""
        return json.loads(self(*words, "-o", "json"))

    def apply(self, documents: Sequence[dict[str, Any]]) -> None:
        """Applies the objects on the server's side."""
        text = yaml.safe_dump_all(documents)
        self(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=webssl-cluster",
            "-f",
            "-",
            stdin=text,
        )

    def wait(self, condition: str, *names: str, seconds: float = 60) -> None:
        """Waits until all objects, named as KIND/NAME, have a condition.

        Right after its creation an object has no status at all, which ``kubectl wait`` takes for an error; here it is a reason to wait.

        Raises:
            ClusterError: they do not have it after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = max(1, round(deadline - time.monotonic()))
            try:
                self("wait", f"--for=condition={condition}", f"--timeout={left}s", *names, timeout=left + 30)
                return
            except ClusterError as error:
                if "accessor error" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def ready_nodes(self, since: datetime.datetime | None = None) -> set[str]:
        """Names of the nodes that report Ready; empty when the API server does not answer.

        Args:
            since: count only nodes that have reported at or after this time (time-zone aware; whole seconds count,
                since Kubernetes keeps no more). What the API server knows outlives a node by a while.
        """
        try:
            items = self.json("get", "nodes", "--request-timeout=5s")["items"]
        except ClusterError:
            return set()
        return {item["metadata"]["name"] for item in items if is_ready(item, since)}


def is_ready(node: dict[str, Any], since: datetime.datetime | None = None) -> bool:
    """Whether a Node object's Ready condition is true and was reported at or after ``since``."""
    for entry in node.get("status", {}).get("conditions", []):
        if entry["type"] == "Ready" and entry["status"] == "True":
            reported = datetime.datetime.fromisoformat(entry["lastHeartbeatTime"])
            return since is None or reported >= since.replace(microsecond=0)
    return False
