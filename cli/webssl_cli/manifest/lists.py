"""Lists: documents whose items are objects, as `kubectl get -o yaml` writes them.

What a List is, and what its items take from it, is as for kubectl: every kind that ends in List, with a list of `items`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from webssl_cli.manifest.kinds import known
from webssl_cli.manifest.positions import Document, Path, Position
from webssl_cli.manifest.values import shown

_LIST = "List"


def opened(document: Document) -> list[Document]:
    """The items of a List as documents of their own, those of Lists inside it too; of any other document itself.

    An item that names neither kind nor apiVersion has those that a typed List, such as a WebSSLRunList, says. A List that has
    faults stays as it is.
    """
    if not _is_list(document.content) or faults(document):
        return [document]
    return [inner for item in _items(document) for inner in opened(item)]


def faults(document: Document) -> list[tuple[Path, str]]:
    """What is wrong with a List itself: the field, and what it must be. Typed Lists of other APIs are not looked at."""
    content = document.content
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in {_LIST, *(f"{name}{_LIST}" for name in known())}:
        return []
    found: list[tuple[Path, str]] = []
    version, wanted = content.get("apiVersion"), _version(kind)
    if version is None:
        found.append(((), f"apiVersion is missing: add `apiVersion: {wanted}`"))
    elif kind != _LIST and version != wanted:
        found.append((("apiVersion",), f"apiVersion {shown(version)} has no {kind}: write {wanted}"))
    if "items" not in content:
        found.append(((), f"items is missing: add it (The objects of the {kind})"))
    elif not _is_list(content):
        text = f"items {shown(content['items'])} is not a list: begin each object of the {kind} with a dash"
        found.append((("items",), text))
    return found


def _is_list(content: Any) -> bool:
    """Null is a list without items: so Go programs write it."""
    return (
        isinstance(content, dict)
        and isinstance(kind := content.get("kind"), str)
        and kind.endswith(_LIST)
        and "items" in content
        and isinstance(content["items"], list | None)
    )


def _version(kind: str) -> str:
    from webssl_api.kind import API_VERSION

    return "v1" if kind == _LIST else API_VERSION


def _items(document: Document) -> Iterator[Document]:
    content = document.content
    below: dict[str | int, dict[Path, Position]] = defaultdict(dict)
    for path, position in document.positions.items():
        if len(path) > 1 and path[0] == "items":
            below[path[1]][path[2:]] = position
    here = document.find(("items",))
    for index, item in enumerate(content["items"] or []):
        positions = {(): here, **below[index]}
        yield Document(_named(item, content), positions, document.number, (*document.within, "items", index))


def _named(item: Any, of: dict[str, Any]) -> Any:
    kind = str(of["kind"]).removesuffix(_LIST)
    if not kind or not isinstance(item, dict) or "kind" in item or "apiVersion" in item:
        return item
    return {"apiVersion": of.get("apiVersion"), "kind": kind, **item}
