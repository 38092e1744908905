"""One manifest from a recipe, a document laid over it, and single fields laid over both. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webssl_api.recipe import Layer, Origin, load, origin_of
from webssl_api.run import API_VERSION, KIND

from webssl_cli.errors import CliError
from webssl_cli.manifest.positions import Document, Path
from webssl_cli.manifest.recipes import filled
from webssl_cli.recipes.settings import Setting, with_settings

NOTHING = Document({}, {})
"""What is laid over a recipe that stands alone."""


@dataclass(frozen=True)
class Composed:
    """A manifest and what it was made from: the layers of its recipe (none without one), then the document's own fields
    under the name "manifest"; `settings` came last."""

    document: Document
    recipe: str
    layers: tuple[Layer, ...]
    settings: tuple[Setting, ...]

    @property
    def spec(self) -> dict[str, Any]:
        """The manifest's spec."""
        spec: dict[str, Any] = self.document.content["spec"]
        return spec

    def origin(self, path: Path) -> Origin | None:
        """Who set the value at a path below spec; None for nobody, so it is a default."""
        for setting in reversed(self.settings):
            if path[: len(setting.path)] == setting.path:
                return Origin("--set", "")
        return origin_of(path, self.layers)


def compose(
    name: str | None, document: Document, settings: Sequence[Setting], run: str | None = None
) -> Composed:
    """Lay `document` over the recipe `name` (None: the one that it names itself, if any), and `settings` over both.

    Args:
        run: name of the run; None for the document's own, or the recipe's.

    Raises:
        RecipeError: there is no such recipe.
        CliError: the document is no mapping or names another recipe, or a setting does not fit.
    """
    content = document.content
    if not isinstance(content, Mapping) or not isinstance(content.get("spec", {}), Mapping):
        raise CliError(
            "the manifest or its spec is not a mapping", "begin with apiVersion, kind, metadata, spec"
        )
    overrides = dict(content.get("spec", {}))
    named = overrides.pop("recipe", None)
    if name is not None and named not in (None, name):
        raise CliError(f"spec.recipe is {named!r}, but {name} was asked for", "remove one of the two")
    recipe = name or named
    full = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        **content,
        "metadata": {"name": recipe, **(content.get("metadata") or {}), **({"name": run} if run else {})},
        "spec": {**overrides, **({"recipe": recipe} if recipe else {})},
    }
    layers = load(recipe).layers if recipe else ()
    made = filled(replace(document, content=full))
    made.content["spec"] = with_settings(made.content["spec"], settings)
    return Composed(made, recipe or "", (*layers, Layer("manifest", overrides, {})), tuple(settings))
