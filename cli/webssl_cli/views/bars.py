"""A bar for work of known size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from webssl_cli.console import err
from webssl_cli.views.numbers import duration

Advance = Callable[[int, str], None]
Counted = Callable[[int, int], None]


@contextmanager
def bar(name: str, total: int, console: Console = err) -> Iterator[Advance]:
    """A bar while the block runs; the block calls the value with how much is done and what. Then one line with the time."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task(name, total=total, detail="")
    began = time.monotonic()
    with progress:
        yield lambda amount, detail: progress.update(task, advance=amount, detail=detail[-48:])
    console.print(f"{name}: {total} in {duration(time.monotonic() - began)}", style="dim", markup=False)


@contextmanager
def counting_bar(name: str, console: Console = err) -> Iterator[Counted]:
    """A bar for work that counts itself: the block calls the value with how much is done and how much there is."""
    done = 0
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task(name, total=None)
    began = time.monotonic()

    def count(now: int, total: int) -> None:
        nonlocal done
        done = now
        progress.update(task, completed=now, total=total)

    with progress:
        yield count
    console.print(f"{name}: {done} in {duration(time.monotonic() - began)}", style="dim", markup=False)
