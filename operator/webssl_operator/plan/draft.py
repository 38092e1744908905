"""What the policies hand on to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from webssl_api.run import WebSSLRunSpec
from webssl_api.status import RunStatus

from webssl_operator.observe.snapshot import RunSnapshot
from webssl_operator.plan.actions import Action, RunEvent
from webssl_operator.plan.conditions import with_condition
from webssl_operator.settings import Settings


class Gate(Enum):
    """Whether the run may have workers."""

    OPEN = "open"
    HELD = "held"
    """The user suspended it."""
    TRAINED = "trained"
    """Training is done; evaluation may go on."""
    CLOSED = "closed"
    """Nothing is to be done any more, or nothing can be done."""


@dataclass(frozen=True)
class Failure:
    """Why the run has failed."""

    reason: str
    message: str


@dataclass(frozen=True)
class Draft:
    """The plan as far as it is made. workers: the number wanted now. waits: what the run waits for, in words."""

    status: RunStatus
    gate: Gate = Gate.OPEN
    workers: int = 0
    failure: Failure | None = None
    waits: str = ""
    actions: tuple[Action, ...] = ()
    events: tuple[RunEvent, ...] = ()
    wakes: tuple[datetime, ...] = ()
    consumed: frozenset[str] = frozenset()
    losses: tuple[str, ...] = ()

    def with_status(self, **fields: Any) -> Draft:
        """The draft with some fields of the status replaced."""
        return replace(self, status=self.status.model_copy(update=fields))

    def with_actions(self, *actions: Action) -> Draft:
        """The draft with further actions."""
        return replace(self, actions=(*self.actions, *actions))

    def with_event(self, reason: str, message: str, warning: bool = False) -> Draft:
        """The draft with one more event; it is published after the status it belongs to was written."""
        return replace(self, events=(*self.events, RunEvent(reason, message, warning)))

    def with_wake(self, moment: datetime) -> Draft:
        """The draft, planned anew at `moment` at the latest."""
        return replace(self, wakes=(*self.wakes, moment))

    def with_condition(self, kind: str, value: bool | None, reason: str, message: str, scene: Scene) -> Draft:
        """The draft with one condition set; its transition time moves only when its status does."""
        conditions = with_condition(
            self.status.conditions, kind, value, reason, message, scene.now, scene.snapshot.run.generation
        )
        return self.with_status(conditions=conditions)


@dataclass(frozen=True)
class Scene:
    """What every policy looks at: the snapshot, its specification, the clock and the operator's settings."""

    snapshot: RunSnapshot
    spec: WebSSLRunSpec
    now: datetime
    settings: Settings


Policy = Callable[[Scene, Draft], Draft]
