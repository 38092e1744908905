"""Who a run's pods are, and the few objects by name that they may touch."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.meta import Manifest, child_meta
from webssl_operator.observe.run import RunView

_RBAC = "rbac.authorization.k8s.io"
VERBS = ("create", "get", "patch", "update")
"""`create` by name is what re-creates a deleted ConfigMap by server-side apply; it opens no other name."""


def service_account(run: RunView) -> Manifest:
    """The identity of the run's pods. Annotations of others (cloud roles) stay: they are not ours to apply."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": child_meta(run, labels.service_account_name(run.name), labels.ROLE_WORKER),
    }


def role(run: RunView, spec: WebSSLRunSpec) -> Manifest:
    """The rendezvous and the reports of this run."""
    names = [
        labels.rendezvous_name(run.name),
        labels.progress_name(run.name),
        *(labels.evaluation_name(run.name, suite.key) for suite in spec.evaluation.suites),
    ]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": child_meta(run, labels.service_account_name(run.name), labels.ROLE_WORKER),
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": names, "verbs": list(VERBS)}
        ],
    }


def role_binding(run: RunView) -> Manifest:
    """Binds the Role to the identity."""
    name = labels.service_account_name(run.name)
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": child_meta(run, name, labels.ROLE_WORKER),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": run.namespace}],
    }
