"""What the operator has to know of a kind in order to look after its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.registry import Collector
from webssl_api.kind import Kind

from webssl_operator.observe.belonging import Key
from webssl_operator.observe.family import Facts, Family, Head
from webssl_operator.plan.decision import Plan
from webssl_operator.settings import Settings


def refers_to_nothing(head: Head) -> Key | None:  # noqa: ARG001
    """For kinds whose objects stand alone."""
    return None


@dataclass(frozen=True)
class Handling:
    """One kind.

    view: reads an object as the API server serves it; it never fails, and keeps what is wrong with a specification for the plan to
    say. plan: decides; pure. collector: the series of all objects of the kind, which it is given with the clock. refers_to: the
    object whose head the plan is shown as `Facts.other`. regards: the kind whose objects in the same namespace it is shown as
    `Facts.neighbours`; empty for none.
    """

    kind: Kind
    view: Callable[[Mapping[str, Any]], Head]
    plan: Callable[[Family, datetime, Settings, Facts], Plan]
    collector: Callable[[Callable[[], Iterable[Any]], Callable[[], datetime]], Collector]
    refers_to: Callable[[Head], Key | None] = refers_to_nothing
    regards: str = ""
