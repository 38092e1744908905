"""A field's value as a message shows it."""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 60


def shown(value: Any) -> str:
    """The value as JSON, cut where it is longer than a line has room for."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
