"""Conditions of any kind's status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from webssl_api.status import Condition

from webssl_operator.observe.times import format_time

_WORDS = {True: "True", False: "False", None: "Unknown"}


def with_condition(
    conditions: Sequence[Condition],
    kind: str,
    value: bool | None,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> list[Condition]:
    """The conditions with one of them set; its transition time moves only when its status does."""
    word = _WORDS[value]
    old = next((c for c in conditions if c.type == kind), None)
    same = old is not None and old.status == word
    new = Condition(
        type=kind,
        status=word,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if same and old is not None else format_time(now),
        observed_generation=generation,
    )
    if old is None:
        return [*conditions, new]
    return [new if c.type == kind else c for c in conditions]
