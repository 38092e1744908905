"""Who pods are, and the few objects by name that they may touch."""

from __future__ import annotations

from collections.abc import Sequence

from webssl_api import labels
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.meta import Manifest
from webssl_operator.construct.owner import Owner, owner_of
from webssl_operator.observe.run import RunView

_RBAC = "rbac.authorization.k8s.io"
VERBS = ("create", "get", "patch", "update")
"""`create` by name is what re-creates a deleted ConfigMap by server-side apply; it opens no other name."""


def identity(owner: Owner, name: str, role: str, config_maps: Sequence[str]) -> list[Manifest]:
    """Service account, Role and RoleBinding `name`, for pods that may write to these ConfigMaps.

    Annotations of others on the service account (cloud roles) stay: they are not ours to apply.
    """
    meta = owner.meta_of(name, role)
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": meta,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "resourceNames": list(config_maps),
                    "verbs": list(VERBS),
                }
            ],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": owner.namespace}],
        },
    ]


def run_identity(run: RunView, spec: WebSSLRunSpec) -> list[Manifest]:
    """Of a run's pods: they write to its rendezvous and its reports."""
    names = [
        labels.rendezvous_name(run.name),
        labels.progress_name(run.name),
        *(labels.evaluation_name(run.name, suite.key) for suite in spec.evaluation.suites),
    ]
    return identity(owner_of(run), labels.service_account_name(run.name), labels.ROLE_WORKER, names)
