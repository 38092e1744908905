"""YAML documents that remember the line and column of every field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """The path as people write it: `spec.schedule.stages[0].samples`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


class _Loader(yaml.SafeLoader):
    """Safe YAML with the floats of YAML 1.2, as Kubernetes reads them: PyYAML alone takes `1e-3` for a string."""


_Loader.yaml_implicit_resolvers = dict(yaml.SafeLoader.yaml_implicit_resolvers)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)
# Timestamps stay strings, as in Kubernetes.
for _first, _resolvers in _Loader.yaml_implicit_resolvers.items():
    _Loader.yaml_implicit_resolvers[_first] = [r for r in _resolvers if r[0] != "tag:yaml.org,2002:timestamp"]


@dataclass(frozen=True)
class Position:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """One YAML document, or one object inside it.

    Attributes:
        content: the parsed value.
        positions: where each field begins, by its path; the empty path is the document's begin.
        number: which document of its file it is, or is part of; the first is 1.
        within: for an item of a List the way to it inside the document, such as ("items", 3); else empty.
    """

    content: Any
    positions: dict[Path, Position]
    number: int = 1
    within: Path = ()

    @property
    def place(self) -> str:
        """Which item of which document it is, such as `document 2, items[3]`; empty for a whole document."""
        return f"document {self.number}, {dotted(self.within)}" if self.within else ""

    def find(self, path: Path) -> Position:
        """Where `path` stands, or its nearest parent that stands in the file."""
        for end in range(len(path), -1, -1):
            found = self.positions.get(path[:end])
            if found is not None:
                return found
        return Position(1, 1)


def documents(text: str) -> list[Document]:
    """The documents of a YAML file; empty ones are left out, but have a number.

    Raises:
        yaml.YAMLError: the text is no YAML; its problem_mark says where.
    """
    loader = _Loader(text)
    found = []
    number = 0
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            positions = dict(_positions(node, ())) if node is not None else {}
            content = loader.construct_document(node)
            if content is not None:
                found.append(Document(content, positions, number))
    finally:
        loader.dispose()
    return found


def _positions(
    node: yaml.Node, path: Path, above: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[Path, Position]]:
    if node in above:
        problem = "the value of an anchor holds an alias of itself"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    yield path, _mark(node)
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield from _positions(value, inner, above)
            # A field is found at its key: a block value begins only on the next line.
            yield inner, _mark(key)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _positions(item, (*path, index), above)


def _mark(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
