"""The fields of a WebSSLRun and what they mean, from the same schema as the CRD's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from webssl_cli.manifest.positions import Path


@dataclass(frozen=True)
class Field:
    """One field as `webssl explain` shows it."""

    path: str
    type: str
    description: str
    default: Any
    required: bool
    children: tuple[tuple[str, str, str, bool], ...]
    """Name, type, description and whether it must be set, of each field below."""


@cache
def _schema() -> dict[str, Any]:
    from webssl_api.crd import run_crd

    schema: dict[str, Any] = run_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _node(path: Path) -> dict[str, Any] | None:
    node: dict[str, Any] = _schema()
    for part in path:
        node = node.get("items", node) if node.get("type") == "array" else node
        if isinstance(part, int):
            continue
        found = node.get("properties", {}).get(part)
        if found is None:
            return None
        node = found
    return node


def _inner(node: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = node["items"] if node.get("type") == "array" else node
    return inner


def fields_below(path: Path) -> list[str]:
    """Names of the fields of an object (or of a list's items); empty when there is no such object."""
    node = _node(path)
    return [] if node is None else list(_inner(node).get("properties", {}))


def knows(path: Path) -> bool:
    """Whether there is such a field."""
    return _node(path) is not None


def is_open(path: Path) -> bool:
    """Whether the field is an object with keys of the user's choice, such as labels."""
    node = _node(path)
    inner = {} if node is None else _inner(node)
    return "additionalProperties" in inner or "x-kubernetes-preserve-unknown-fields" in inner


def likely(path: Path) -> str:
    """What was meant by a field that is not there: the nearest name, or the names that there are."""
    from difflib import get_close_matches

    names = fields_below(path[:-1])
    near = get_close_matches(_camel(str(path[-1])), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"remove it, or use one of {', '.join(names)}" if names else "remove it"


def description(path: Path) -> str:
    """What the field is for; empty when it is unknown."""
    node = _node(path)
    return "" if node is None else str(node.get("description", "")).rstrip(".")


def explain(dotted: str) -> Field | None:
    """The field at a path such as `spec.data.source` (`websslrun.` in front is allowed); None when there is none."""
    parts = [part for part in dotted.split(".") if part]
    if parts and parts[0].lower() in {"websslrun", "websslruns", "webssl", "wsr"}:
        parts = parts[1:]
    node = _node(tuple(parts))
    if node is None:
        return None
    parent = _node(tuple(parts[:-1])) if parts else None
    inner = _inner(node)
    needed = set(inner.get("required", []))
    children = tuple(
        (name, _type(child), str(child.get("description", "")), name in needed)
        for name, child in inner.get("properties", {}).items()
    )
    return Field(
        path=".".join(parts) or "websslrun",
        type=_type(node),
        description=str(node.get("description", "")),
        default=node.get("default"),
        required=bool(parent and parts[-1] in _inner(parent).get("required", [])),
        children=children,
    )


def _type(node: dict[str, Any]) -> str:
    kind = str(node.get("type", "int or string" if node.get("x-kubernetes-int-or-string") else "any"))
    if kind == "array":
        return f"list of {_type(node['items'])}"
    if node.get("enum"):
        return "one of " + ", ".join(str(value) for value in node["enum"])
    return kind


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
