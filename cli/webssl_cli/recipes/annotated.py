"""`webssl recipe show`: YAML with the origin of each value beside it."""

from __future__ import annotations

import yaml
from webssl_api.defaults import with_defaults
from webssl_api.recipe import Origin, leaves, load

from webssl_cli.manifest.positions import documents
from webssl_cli.recipes.compose import Composed


def annotated(made: Composed) -> str:
    """The spec with its defaults as YAML; each line with a value names in a comment who set it, and from what source."""
    spec = with_defaults(made.spec)
    text = yaml.safe_dump(spec, sort_keys=False, width=1000)
    positions = documents(text)[0].positions
    notes = {positions[path].line: _note(made.origin(path)) for path in leaves(spec) if path in positions}
    lines = text.splitlines()
    column = max((len(lines[number - 1]) for number in notes), default=0) + 2
    shown = (
        f"{line:<{column}}# {notes[number]}" if number in notes else line
        for number, line in enumerate(lines, start=1)
    )
    return "\n".join([*shown, *_needed(made)]) + "\n"


def _needed(made: Composed) -> list[str]:
    """What the manifest has still to say, as comments."""
    lacking = load(made.recipe).lacking(made.spec) if made.recipe else {}
    return [f"# {path} is missing: {what}" for path, what in lacking.items()]


def _note(origin: Origin | None) -> str:
    if origin is None:
        return "default of the API"
    return f"{origin.layer}: {origin.source}" if origin.source else origin.layer
