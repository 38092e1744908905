"""The CustomResourceDefinitions, made from the Python types."""

from __future__ import annotations

from typing import Any

import yaml

from webssl_api.kind import API_VERSION, GROUP, VERSION, Kind
from webssl_api.run import RUN
from webssl_api.schema import structural_schema

HEADER = "# Generated from crds/webssl_api by `make generate`. Do not edit.\n"


def run_crd() -> dict[str, Any]:
    """The CRD of WebSSLRun as a Python dict."""
    return crd_of(RUN)


def crd_of(kind: Kind) -> dict[str, Any]:
    """The CRD of a kind as a Python dict."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": list(kind.categories),
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **({"scale": dict(kind.scale)} if kind.scale else {})},
        "additionalPrinterColumns": [
            {
                "name": column.name,
                "type": column.type,
                "jsonPath": column.path,
                "description": column.description,
                "priority": column.priority,
            }
            for column in kind.columns
        ],
        "schema": {"openAPIV3Schema": _root_schema(kind)},
    }


def _root_schema(kind: Kind) -> dict[str, Any]:
    schema = structural_schema(kind.model)
    schema["properties"].update(
        apiVersion={"type": "string", "description": API_VERSION},
        kind={"type": "string", "description": kind.name},
        metadata={"type": "object"},
    )
    schema["properties"]["spec"]["description"] = kind.spec
    status = schema["properties"]["status"]
    status["description"] = kind.status
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
    return HEADER + yaml.dump(crd, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(yaml.SafeDumper):
    """Writes parts of a schema that stand in several places out at each of them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Never refer to an earlier part."""
        return True
