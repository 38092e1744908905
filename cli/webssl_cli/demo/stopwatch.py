"""Wall time per phase of the demo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from webssl_cli.console import err
from webssl_cli.views.numbers import duration


class Stopwatch:
    """Phases in the order in which they ended, with their wall seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self.phases: list[tuple[str, float]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times the block under a name."""
        began = self._clock()
        err.rule(f"[bold]{name}[/]  [dim]{duration(began - self._began)} since the begin[/]", align="left")
        yield
        self.phases.append((name, self._clock() - began))

    def add(self, phases: list[tuple[str, float]]) -> None:
        """Take over phases that were timed elsewhere."""
        self.phases += phases
