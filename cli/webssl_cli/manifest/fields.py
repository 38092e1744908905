"""The fields of each kind and what they mean, from the same schema as the CRD's.

A `path` begins at the object, such as ("spec", "data"); `kind` is the name of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from webssl_cli.manifest.kinds import RUN, kind_called, known
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
def _schema(kind: str) -> dict[str, Any]:
    from webssl_api.crd import crd_of

    crd = crd_of(known()[kind])
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _node(path: Path, kind: str) -> dict[str, Any] | None:
    node = _schema(kind)
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


def fields_below(path: Path, kind: str = RUN) -> list[str]:
    """Names of the fields of an object (or of a list's items); empty when there is no such object."""
    node = _node(path, kind)
    return [] if node is None else list(_inner(node).get("properties", {}))


def knows(path: Path, kind: str = RUN) -> bool:
    """Whether there is such a field."""
    return _node(path, kind) is not None


def is_open(path: Path, kind: str = RUN) -> bool:
    """Whether the field is an object with keys of the user's choice, such as labels."""
    node = _node(path, kind)
    inner = {} if node is None else _inner(node)
    return "additionalProperties" in inner or "x-kubernetes-preserve-unknown-fields" in inner


def likely(path: Path, kind: str = RUN) -> str:
    """What was meant by a field that is not there: the nearest name, or the names that there are."""
    from difflib import get_close_matches

    names = fields_below(path[:-1], kind)
    near = get_close_matches(_camel(str(path[-1])), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"remove it, or use one of {', '.join(names)}" if names else "remove it"


def likely_kind(content: Mapping[str, Any]) -> str:
    """Kind of a document that names none: the one that has most of the fields below its spec, a run if several do."""
    spec = content.get("spec")
    given = {str(name) for name in spec} if isinstance(spec, Mapping) else set()
    return max(known(), key=lambda name: len(given & set(fields_below(("spec",), name))))


def description(path: Path, kind: str = RUN) -> str:
    """What the field is for; empty when it is unknown."""
    node = _node(path, kind)
    return "" if node is None else str(node.get("description", "")).rstrip(".")


def split(dotted: str) -> tuple[str | None, Path]:
    """Kind and path that a text such as `websslcuration.spec.scorers` names; None for no kind in front."""
    parts = [part for part in dotted.split(".") if part]
    kind = kind_called(parts[0]) if parts else None
    return (None, tuple(parts)) if kind is None else (kind, tuple(parts[1:]))


def explain(dotted: str) -> Field | None:
    """The field at a path such as `spec.data.source` of a run, or `websslcuration.spec.scorers` of any kind; None when
    there is none."""
    named, path = split(dotted)
    kind = named or RUN
    node = _node(path, kind)
    if node is None:
        return None
    parent = _node(path[:-1], kind) if path else None
    inner = _inner(node)
    needed = set(inner.get("required", []))
    children = tuple(
        (name, _type(child), str(child.get("description", "")), name in needed)
        for name, child in inner.get("properties", {}).items()
    )
    return Field(
        path=_written(kind, path),
        type=_type(node),
        description=str(node.get("description", "")),
        default=node.get("default"),
        required=bool(parent and path[-1] in _inner(parent).get("required", [])),
        children=children,
    )


def instead(dotted: str) -> str:
    """What to do about a path that leads to no field: the same path in another kind, or what is likely in its own."""
    named, path = split(dotted)
    others = [_written(kind, path) for kind in known() if knows(path, kind)] if named is None else []
    if others:
        return "write " + " or ".join(f"`webssl explain {other}`" for other in others)
    kind = named or RUN
    first_unknown = next(end for end in range(1, len(path) + 1) if not knows(path[:end], kind))
    near = likely(path[:first_unknown], kind)
    begin = f"begin with `webssl explain {_written(kind, ('spec',))}`"
    return near if near.startswith("did you mean") else begin


def _written(kind: str, path: Path) -> str:
    """A path as `webssl explain` takes it: a run's fields need no kind in front."""
    front = () if kind == RUN and path else (kind.lower(),)
    return ".".join(map(str, (*front, *path)))


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
