"""Metadata that all children share, and digests of manifests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from webssl_api import labels
from webssl_api.run import API_VERSION, KIND

from webssl_operator.observe.run import RunView

Manifest = dict[str, Any]


def child_labels(run: str, role: str, suite: str = "") -> dict[str, str]:
    """Labels of every child; all watches select on them."""
    tags = {
        labels.RUN: run,
        labels.ROLE: role,
        labels.MANAGED_BY: labels.MANAGER,
        "app.kubernetes.io/name": "webssl",
        "app.kubernetes.io/instance": run,
        "app.kubernetes.io/component": role,
    }
    return {**tags, labels.SUITE: suite} if suite else tags


def child_meta(run: RunView, name: str, role: str, suite: str = "") -> dict[str, Any]:
    """Name, labels and the owner reference by which the garbage collector removes the child with its run."""
    return {
        "name": name,
        "namespace": run.namespace,
        "labels": child_labels(run.name, role, suite),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": run.name,
                "uid": run.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def digest(value: Any) -> str:
    """16 hex digits of the SHA-256 over the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
