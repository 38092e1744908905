"""Manifests that name a recipe: the recipe's fields with the manifest's laid over them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from webssl_cli.manifest.positions import Document, Path, Position

_AT: Path = ("spec", "recipe")


def names_recipe(document: Document) -> bool:
    """Whether the document names a recipe."""
    content = document.content
    spec = content.get("spec") if isinstance(content, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("recipe"), str)


def filled(document: Document) -> Document:
    """The document with its recipe filled in and named in an annotation; itself when it names none.

    A field that came from the recipe stands where the recipe is named.

    Raises:
        RecipeError: the recipe is unknown.
    """
    if not names_recipe(document):
        return document
    from webssl_api.labels import RECIPE
    from webssl_api.recipe import load, merged

    content = deepcopy(document.content)
    name = content["spec"].pop("recipe")
    content["spec"] = merged([load(name).spec, content["spec"]])
    metadata = content.setdefault("metadata", {})
    if isinstance(metadata, dict):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), RECIPE: name}
    here = document.find(_AT)
    inherited: dict[Path, Position] = dict.fromkeys(_paths(content["spec"], ("spec",)), here)
    return replace(document, content=content, positions={**inherited, **document.positions})


def lacking(document: Document) -> list[str]:
    """What a manifest's recipe needs beside it and the manifest does not say, in words. The manifest is filled in."""
    from webssl_api.labels import RECIPE
    from webssl_api.recipe import load, names

    content = document.content
    metadata, spec = content.get("metadata"), content.get("spec")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    name = annotations.get(RECIPE) if isinstance(annotations, dict) else None
    if name not in names() or not isinstance(spec, dict):
        return []
    return [
        f"spec.{path} is missing: recipe {name} needs it ({what})"
        for path, what in load(name).lacking(spec).items()
    ]


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _paths(item, (*path, key))
