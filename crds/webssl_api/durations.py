"""Durations as Kubernetes writes them: `90s`, `15m`, `24h`, `1h30m`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_MATCH = re.compile(PATTERN)

Duration = Annotated[str, Field(pattern=PATTERN, min_length=2, max_length=16)]


def seconds(duration: str) -> int:
    """Length of `duration` in seconds. Raises ValueError naming the value when it is not a duration."""
    match = _MATCH.match(duration)
    if not duration or match is None:
        raise ValueError(f"duration {duration!r} is not of the form 1h30m, 15m or 90s")
    hours, minutes, secs = (int(part[:-1]) if part else 0 for part in match.groups())
    return hours * 3600 + minutes * 60 + secs
