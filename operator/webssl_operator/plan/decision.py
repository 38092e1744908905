"""What a plan is, for every kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from webssl_operator.plan.actions import Action, RunEvent


class Status(Protocol):
    """The status of any kind."""

    @property
    def phase(self) -> StrEnum | None: ...

    def model_dump(self, *, mode: Literal["json"], by_alias: bool) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Plan:
    """actions in order, then `status` (None: nothing worth a write), then `events`.

    wake: when to plan anew if nothing happens before. consumed: uids of vanished pods that are accounted for. losses: the reason of
    each worker failure that this plan records.
    """

    actions: tuple[Action, ...] = ()
    status: Status | None = None
    events: tuple[RunEvent, ...] = ()
    wake: datetime | None = None
    consumed: frozenset[str] = frozenset()
    losses: tuple[str, ...] = ()
