"""Which object of this API another object belongs to, by its labels and its owner references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from webssl_api.kinds import KINDS
from webssl_api.run import KIND

_KIND_OF_LABEL = {kind.label: kind.name for kind in KINDS}
_NAMES = frozenset(kind.name for kind in KINDS)


class Key(NamedTuple):
    """One object of this API."""

    namespace: str
    name: str
    kind: str = KIND


def belongs_to(tags: Mapping[str, str]) -> tuple[str, str]:
    """Name and kind of the object that a child's labels name; no name when they name none."""
    for label, kind in _KIND_OF_LABEL.items():
        name = tags.get(label)
        if name:
            return name, kind
    return "", KIND


def owner_uid(meta: Mapping[str, Any]) -> str:
    """uid of the object of this API that owns another one; empty when none does."""
    return next((o["uid"] for o in meta.get("ownerReferences", ()) if o["kind"] in _NAMES), "")
