"""A run as it goes: one bar for the training, one per evaluation suite, and a line for what happens meanwhile."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from webssl_cli.console import err
from webssl_cli.views.numbers import count, decimal

if TYPE_CHECKING:
    from webssl_api import RunStatus

_DONE = {"Succeeded": 1.0, "Failed": 1.0}


class LiveRun:
    """Shows a run's status; each `update` also prints a line for every event since the one before.

    On something that is no terminal (a log, a pipe) only the lines are printed, and one for every tenth of the run.
    """

    def __init__(self, name: str, total_samples: int, console: Console = err) -> None:
        self._console = console
        self._total = max(total_samples, 1)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._training = self._progress.add_task(f"train {name}", total=self._total, detail="waiting")
        self._suites: dict[str, TaskID] = {}
        self._last: RunStatus | None = None

    def __enter__(self) -> LiveRun:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, markup=False, soft_wrap=True)

    def update(self, status: RunStatus) -> None:
        """Show a newer status."""
        from webssl_cli.views.events import events_between

        for event in events_between(self._last, status, self._total):
            self.say(event)
        self._last = status
        self._progress.update(self._training, completed=status.progress.samples, detail=training_line(status))
        for suite in status.evaluation.suites if status.evaluation is not None else []:
            if suite.name not in self._suites:
                self._suites[suite.name] = self._progress.add_task(
                    f"evaluate {suite.name}", total=None, detail=""
                )
            done = suite.phase in _DONE
            self._progress.update(
                self._suites[suite.name],
                total=1.0 if done else None,
                completed=1.0 if done else 0.0,
                detail=suite.phase.lower(),
            )


def training_line(status: RunStatus) -> str:
    """What stands beside the bar: loss, speed, workers, newest checkpoint."""
    progress, last = status.progress, status.last_checkpoint
    parts = [
        f"step {count(progress.step)}",
        f"loss {decimal(progress.loss, 3)}",
        f"{decimal(progress.images_per_second)} img/s",
        *([f"{status.workers.ready}/{status.workers.desired} workers"] if status.workers.desired else []),
    ]
    if last is not None:
        parts.append(f"checkpoint {last.step}")
    if status.attempt > 1:
        parts.append(f"attempt {status.attempt}")
    return ", ".join(parts)
