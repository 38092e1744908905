"""JSON schemas for kubeconform, made from what an API server publishes about its own kinds (/openapi/v3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LOCATION = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
"""Template for kubeconform's -schema-location, below a folder that `write` filled."""


def is_builtin(path: str) -> bool:
    """Whether a path of the OpenAPI index (`api/v1`, `apis/GROUP/VERSION`) is of Kubernetes itself."""
    parts = path.split("/")
    if parts[0] == "api":
        return len(parts) == 2
    return len(parts) == 3 and ("." not in parts[1] or parts[1].endswith(".k8s.io"))


def write(documents: Iterable[Mapping[str, Any]], folder: Path) -> int:
    """Write one schema for each kind of the OpenAPI v3 documents; returns how many."""
    count = 0
    for document in documents:
        definitions = document.get("components", {}).get("schemas", {})
        closed = {name: strict(schema) for name, schema in definitions.items()}
        for name, schema in definitions.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                # Lists and options are published under every group; kubeconform asks for what a manifest names.
                group = kind["group"] or kind["version"]  # kubeconform's name for the group of v1
                path = folder / f"{kind['kind'].lower()}-{group}-{kind['version']}.json"
                path.write_text(json.dumps({"definitions": closed, **closed[name]}))
                count += 1
    return count


def strict(node: Any) -> Any:
    """A JSON schema (draft 4 and later) that also refuses unknown fields, from an OpenAPI v3 one."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    out = {key: strict(value) for key, value in node.items() if key not in ("default", "example", "format")}
    if "$ref" in out and isinstance(out["$ref"], str):
        return {"$ref": out["$ref"].replace("#/components/schemas/", "#/definitions/")}
    if isinstance(node.get("properties"), dict):
        out["properties"] = {name: strict(value) for name, value in node["properties"].items()}
        if node.get("type") == "object" and "additionalProperties" not in node:
            preserve = node.get("x-kubernetes-preserve-unknown-fields", False)
            out["additionalProperties"] = bool(preserve)
    if node.get("nullable") and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out
