"""The cluster's DNS: CoreDNS on the bridge, which every pod asks first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from .plan import DNS_PORT, DOMAIN, Plan
from .processes import Program

READY_PORT = 8181


def corefile(plan: Plan, kubeconfig: Path, egress: bool) -> str:
    """Answers from the API server's own watch, so no cache; other names go out only with ``egress``."""
    outside = "    forward . /etc/resolv.conf\n" if egress else ""
    return f""".:{DNS_PORT} {{
    bind {plan.gateway}
    errors
    ready {plan.loopback}:{READY_PORT}
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig} webssl-{plan.name}
        pods insecure
        ttl 2
    }}
{outside}}}
"""


def program(binary: Path, config: Path, kubeconfig: Path) -> Program:
    return Program("coredns", [binary, "-conf", config], configs=[config, kubeconfig])


def answers(plan: Plan) -> bool:
    """Whether CoreDNS has all of the cluster's names."""
    try:
        return (
            httpx.get(f"http://{plan.loopback}:{READY_PORT}/ready", timeout=2, trust_env=False).status_code
            == 200
        )
    except httpx.HTTPError:
        return False


def access_rules() -> list[dict[str, Any]]:
    """What the user ``system:coredns`` may read."""
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:coredns",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
        },
    ]
