"""The kinds that a manifest may be of, and which of them a document is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webssl_api.kind import Kind

RUN = "WebSSLRun"
"""The kind that is meant where none is named."""

_PLACES = {"WebSSLEvaluation": {"spec.evaluation.": "spec.", "spec.data.storage": "spec.storage"}}
"""Rules of types that several kinds share name fields by their place in a run; where these stand in other kinds."""


def known() -> dict[str, Kind]:
    """All kinds by name, runs first."""
    from webssl_api.kinds import KINDS

    return {kind.name: kind for kind in KINDS}


def listed(last: str) -> str:
    """The names of all kinds as words, `last` ("and", "or") before the last one."""
    *names, final = known()
    return f"{', '.join(names)} {last} {final}"


def kind_called(word: str) -> str | None:
    """Name of the kind that is called so in kubectl (name, plural, singular or short name, in any case), if one is."""
    for name, kind in known().items():
        if word.lower() in {name.lower(), kind.plural, kind.singular, *kind.short_names}:
            return name
    return None


def is_ours(content: Any) -> bool:
    """Whether a document is one of this API, or looks as if it should be: wrong kinds and versions are, a Secret is not."""
    from webssl_api.kind import GROUP

    if not isinstance(content, Mapping) or "kind" not in content:
        return True
    kind, version = content["kind"], str(content.get("apiVersion", ""))
    return (
        not isinstance(kind, str) or kind.lower().startswith("webssl") or version.partition("/")[0] == GROUP
    )


def in_words_of(kind: str, text: str) -> str:
    """The message of a rule with every field named by its place in this kind."""
    for place_in_run, place in _PLACES.get(kind, {}).items():
        text = text.replace(place_in_run, place)
    return text
