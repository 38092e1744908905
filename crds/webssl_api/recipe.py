"""Recipes: published settings as data. A recipe is a short file over the file that it names as its base.

The files stand in `recipes/` beside this module; those in `recipes/base/` are only built upon. What one file says is
laid over its base as a JSON merge patch (RFC 7386): objects are merged, everything else is replaced, null removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import Field, ValidationError

from webssl_api.base import ApiModel

Path = tuple[str | int, ...]
SECTIONS = ("model", "objective", "schedule", "optimizer")
"""Parts of a spec that a recipe sets: those that the weights depend on. Where a run takes place is the manifest's."""


class RecipeError(ValueError):
    """A recipe that does not exist, or a file of one that is wrong.

    Args:
        what: names the field and the value.
        mend: what to do about it.
    """

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}: {mend}")
        self.what, self.mend = what, mend


class RecipeFile(ApiModel):
    """One file of a recipe."""

    title: str
    """What it trains, in one line."""

    base: str | None = None
    """The recipe that this one is laid over."""

    spec: dict[str, Any]
    """Fields of a WebSSLRun's spec."""

    sources: dict[str, str] = Field(default_factory=dict)
    """Where values come from: dotted path of a field, or of one above it, and the source."""

    needs: dict[str, str] = Field(default_factory=dict)
    """What the recipe cannot know and the manifest must say: dotted path of a field below spec, and what belongs there."""


@dataclass(frozen=True)
class Layer:
    """Fields of a spec under one name; sources and needs as in `RecipeFile`."""

    name: str
    spec: Mapping[str, Any]
    sources: Mapping[str, str]
    needs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: the layer that set it, and the source that the layer names ("" for none)."""

    layer: str
    source: str


@dataclass(frozen=True)
class Recipe:
    """A recipe with its layers, the base first."""

    name: str
    title: str
    layers: tuple[Layer, ...]

    @property
    def spec(self) -> dict[str, Any]:
        """The fields that it sets, all layers merged."""
        return merged([layer.spec for layer in self.layers])

    @property
    def needs(self) -> dict[str, str]:
        """What the manifest must say, of all layers."""
        return {path: what for layer in self.layers for path, what in layer.needs.items()}

    def lacking(self, spec: Mapping[str, Any]) -> dict[str, str]:
        """The needs that a manifest's spec does not meet."""
        return {path: what for path, what in self.needs.items() if not _holds(spec, tuple(path.split(".")))}


@cache
def names() -> tuple[str, ...]:
    """Names of all recipes, in order."""
    found = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


@cache
def load(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        RecipeError: there is none, or its file is wrong; the message says what to write instead.
    """
    if name not in names():
        near = get_close_matches(name, names(), n=1, cutoff=0.4)
        hint = (
            f"did you mean {near[0]}? `webssl recipe list` shows all" if near else "see `webssl recipe list`"
        )
        raise RecipeError(f"recipe {name!r} is unknown", hint)
    chain = list(_chain(name))
    layers = tuple(Layer(step, file.spec, file.sources, file.needs) for step, file in reversed(chain))
    return Recipe(name, chain[0][1].title, layers)


def merged(specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The specs laid over each other, the last one on top (RFC 7386)."""
    result: dict[str, Any] = {}
    for spec in specs:
        result = _patched(result, spec)
    return result


def origin_of(path: Path, layers: Sequence[Layer]) -> Origin | None:
    """The layer that set the value at `path` of the merged spec, None when none did.

    Its source is what that layer says of the field or of the nearest one above it, unless a layer on top speaks of the
    very field.
    """
    number = next((n for n in reversed(range(len(layers))) if _holds(layers[n].spec, path)), None)
    if number is None:
        return None
    named, *above = _fields_up(path)
    later = [layer.sources[named] for layer in layers[number + 1 :] if named in layer.sources]
    own = [layers[number].sources[name] for name in (named, *above) if name in layers[number].sources]
    return Origin(layers[number].name, (*reversed(later), *own, "")[0])


def _fields_up(path: Path) -> list[str]:
    """Dotted names from the field of a path upwards; an item of a list counts as its list."""
    keys = [part for part in path if isinstance(part, str)]
    list_at = next((n for n, part in enumerate(path) if isinstance(part, int)), len(keys))
    return [".".join(keys[:end]) for end in range(list_at, 0, -1)]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all values that are no object and no list; empty ones of these count."""
    inner: list[tuple[str | int, Any]]
    inner = list(
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    if not inner:
        yield path
    for key, item in inner:
        yield from leaves(item, (*path, key))


def _folder() -> Traversable:
    return files("webssl_api") / "recipes"


def _chain(name: str) -> Iterator[tuple[str, RecipeFile]]:
    """The file of a name, then its bases."""
    step: str | None = name
    seen: list[str] = []
    while step is not None:
        if step in seen:
            raise RecipeError(f"recipe {name}: base {step} is built upon itself", "let it name another base")
        seen.append(step)
        file = _read(step)
        yield step, file
        step = file.base


def _read(name: str) -> RecipeFile:
    try:
        return RecipeFile.model_validate(yaml.safe_load((_folder() / f"{name}.yaml").read_text()))
    except FileNotFoundError as error:
        raise RecipeError(f"recipe base {name} has no file", "name one that exists") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise RecipeError(f"recipe file {name}.yaml is wrong", " ".join(str(error).split())) from error


def _patched(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value)
    return result


def _holds(spec: Any, path: Path) -> bool:
    for part in path:
        try:
            spec = spec[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
