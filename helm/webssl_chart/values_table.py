"""The table of values in docs/install.md, made from values.schema.json (meaning) and values.yaml (default)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """One value that a user can set.

    Args:
        name: dotted path, as in `helm --set`.
        default: what values.yaml says.
    """

    name: str
    kind: str
    default: Any
    meaning: str


def values(schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Value]:
    """Every value, in the order of values.yaml.

    Raises:
        ValueError: a value of values.yaml that the schema does not describe.
    """
    return list(_walk("", schema, schema, defaults))


def _walk(
    prefix: str, root: Mapping[str, Any], schema: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[Value]:
    for key, default in defaults.items():
        name = f"{prefix}{key}"
        entry = schema.get("properties", {}).get(key)
        if entry is None:
            raise ValueError(
                f"values.yaml: {name} is not in values.schema.json: add it there with a description"
            )
        if "properties" in entry and "description" not in entry:
            yield from _walk(f"{name}.", root, entry, default)
            continue
        if "description" not in entry:
            raise ValueError(f"values.schema.json: {name} has no description: add one")
        yield Value(name, _kind(root, entry), default, entry["description"])


def _kind(root: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    if "$ref" in entry:
        entry = root["definitions"][entry["$ref"].rpartition("/")[2]]
    if "enum" in entry:
        return ", ".join(str(choice) for choice in entry["enum"])
    return str(entry["type"])


def to_markdown(rows: list[Value]) -> str:
    """A table with one line for each value."""
    lines = ["| value | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        default = json.dumps(row.default)
        lines.append(f"| `{row.name}` | {row.kind} | `{default}` | {row.meaning} |")
    return "\n".join(lines)
