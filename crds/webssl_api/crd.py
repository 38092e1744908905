"""The CustomResourceDefinition of WebSSLRun, made from the Python types."""

from __future__ import annotations

from typing import Any

import yaml

from webssl_api import run as api
from webssl_api.schema import structural_schema

HEADER = "# Generated from crds/webssl_api by `make generate`. Do not edit.\n"

COLUMNS = (
    ("Phase", "string", ".status.phase", "Where the run stands", 0),
    ("Progress", "integer", ".status.progress.percent", "Samples seen, in per cent", 0),
    ("Workers", "string", ".status.workers.summary", "Workers ready / desired", 0),
    ("Img/s", "number", ".status.progress.imagesPerSecond", "Images per second over all workers", 0),
    ("Loss", "number", ".status.progress.loss", "Latest loss", 0),
    ("Checkpoint", "integer", ".status.lastCheckpoint.step", "Step of the newest checkpoint", 0),
    ("Restarts", "integer", ".status.restarts.total", "Worker failures so far", 1),
    ("Goodput", "number", ".status.goodput", "Share of worker time in steps that count", 1),
    ("Message", "string", ".status.message", "What the run waits for, or why it failed", 1),
    ("Age", "date", ".metadata.creationTimestamp", "Time since creation", 0),
)


def run_crd() -> dict[str, Any]:
    """The CRD as a Python dict."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{api.PLURAL}.{api.GROUP}"},
        "spec": {
            "group": api.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": api.KIND,
                "listKind": f"{api.KIND}List",
                "plural": api.PLURAL,
                "singular": api.SINGULAR,
                "shortNames": list(api.SHORT_NAMES),
                "categories": list(api.CATEGORIES),
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": api.VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.workers.max",
                "statusReplicasPath": ".status.workers.ready",
                "labelSelectorPath": ".status.workers.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path, "description": text, "priority": priority}
            for name, type_, path, text, priority in COLUMNS
        ],
        "schema": {"openAPIV3Schema": _root_schema()},
    }


def _root_schema() -> dict[str, Any]:
    schema = structural_schema(api.WebSSLRun)
    schema["properties"].update(
        apiVersion={"type": "string", "description": "webssl.dev/v1alpha1"},
        kind={"type": "string", "description": "WebSSLRun"},
        metadata={"type": "object"},
    )
    schema["properties"]["spec"]["description"] = "What to train, on what, with what, and how it is judged."
    status = schema["properties"]["status"]
    status["description"] = "Observed state of the run."
    _drop_defaults(status)
    schema["required"] = ["spec"]
    return schema


def _drop_defaults(node: Any) -> None:
    """Status carries no defaults and requires nothing: the operator writes what it knows."""
    if isinstance(node, dict):
        node.pop("default", None)
        for value in node.values():
            _drop_defaults(value)
    elif isinstance(node, list):
        for value in node:
            _drop_defaults(value)


def to_yaml(crd: dict[str, Any]) -> str:
    """The CRD as YAML text with its header."""
    return HEADER + yaml.safe_dump(crd, sort_keys=False, width=120)
