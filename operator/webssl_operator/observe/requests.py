"""What users ask for by annotations of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 128
"""Characters of a request that are kept: it stands in status and events."""


def request_of(meta: Mapping[str, Any], annotation: str) -> str:
    """Text of a request; empty when nothing is asked for. Two requests are the same when their texts are."""
    return str((meta.get("annotations") or {}).get(annotation, "")).strip()[:_MOST]
