"""A control plane without nodes whose audit log says who used which right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from webssl_api.kinds import KINDS
from webssl_localcluster import control_plane
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.kubectl import Kubectl

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class Server:
    """A control plane without nodes.

    Args:
        audit: the API server's audit log, one JSON object a line.
    """

    cluster: LocalCluster
    audit: Path

    @property
    def kubectl(self) -> Kubectl:
        return self.cluster.kubectl

    def events(self, user: str, since: int = 0) -> list[dict[str, Any]]:
        """What `user` asked after the first `since` lines of the audit log; complete lines only."""
        events = [json.loads(line) for line in self.audit.read_text().split("\n")[since:-1]]
        return [event for event in events if event["user"]["username"] == user]

    def mark(self) -> int:
        """Lines of the audit log so far."""
        return self.audit.read_text().count("\n")


def with_audit(cluster: LocalCluster, folder: Path) -> Path:
    """Starts the API server again with an audit log; returns the log."""
    policy, log = folder / "audit-policy.yaml", folder / "audit.log"
    policy.write_text(yaml.safe_dump(AUDIT_POLICY))
    plain = control_plane.api_server(cluster.tools.path("kube-apiserver"), cluster.plan, cluster.authority)
    flags = [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking",
        # Off by default in Kubernetes, on in some distributions: only with it is `websslruns/finalizers` needed.
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
    ]
    kept = [word for word in plain.argv if not str(word).startswith("--enable-admission-plugins")]
    cluster.processes.ensure(replace(plain, argv=[*kept, *flags]))
    ready = control_plane.Probe(cluster.plan, cluster.authority)
    cluster.processes.wait("kube-apiserver", ready, 300, "look at its log")
    return log


def may(
    server: Server,
    user: str,
    verb: str,
    resource: str,
    namespace: str,
    *groups: str,
    flags: Sequence[str] = (),
) -> bool:
    """Whether the API server lets `user` do that."""
    words = ["auth", "can-i", verb, resource, "--as", user, "--namespace", namespace, *flags]
    try:
        return server.kubectl(*words, *(f"--as-group={group}" for group in groups)).strip() == "yes"
    except ClusterError:  # `can-i` exits with 1 for "no".
        return False


def owners_known(server: Server) -> bool:
    """Whether the admission plugin for owner references has learnt of our kinds; it looks only twice a minute."""
    owners = [
        {
            "apiVersion": "webssl.dev/v1alpha1",
            "kind": kind.name,
            "name": "x",
            "uid": kind.plural,
            "blockOwnerDeletion": True,
        }
        for kind in KINDS
    ]
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "probe", "namespace": "default", "ownerReferences": owners},
    }
    try:
        server.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(child))
    except ClusterError:
        return False
    return True
