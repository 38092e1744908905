"""Numbers as people read them."""

from __future__ import annotations

from datetime import datetime

NOTHING = "-"


def duration(seconds: float | None) -> str:
    """`4.2 s`, `3 min 05 s`, `2 h 07 min`, `5 d 3 h`; `-` when unknown."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    if seconds < 86400:
        return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"
    return f"{int(seconds) // 86400} d {int(seconds) % 86400 // 3600} h"


def count(value: int | None) -> str:
    """An integer with thousands separated."""
    return NOTHING if value is None else f"{value:,}"


def decimal(value: float | None, digits: int = 1) -> str:
    """A float with a fixed number of digits."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share from 0 to 1 in per cent."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from one RFC 3339 time to another; None when either is unknown or none."""
    if not start or not end:
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return None


def score_text(metric: str, value: float) -> str:
    """A score with its unit: `56.3 %`, `0.412 m`."""
    from webssl_api.reports import UNITS

    return f"{value:.3f} {UNITS[metric]}" if metric in UNITS else f"{value:.1f} %"
