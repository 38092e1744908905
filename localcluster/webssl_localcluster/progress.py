"""Progress that people see: live bars on a terminal, one finished line per step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Step:
    """One running step. ``total`` may be unknown (None) until the work has counted itself."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def total(self, total: int) -> None:
        self._progress.update(self._task, total=max(total, 1))

    def advance(self, by: int = 1, detail: str = "") -> None:
        self._progress.update(self._task, advance=by, detail=detail[-48:])

    def detail(self, text: str) -> None:
        self._progress.update(self._task, detail=text[-48:])


class Reporter:
    """Shows steps; safe to use from several threads."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._depth = 0

    def __enter__(self) -> Reporter:
        if self._depth == 0:
            self._progress.start()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._progress.stop()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Shows one step while the block runs, then a line with its duration."""
        task = self._progress.add_task(name, total=total, detail="")
        began = time.monotonic()
        try:
            yield Step(self._progress, task)
        except BaseException:
            self.console.print(f"[red]✗[/] {name} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)
            raise
        else:
            self.console.print(
                f"[green]✓[/] {name} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False
            )
        finally:
            self._progress.remove_task(task)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)
