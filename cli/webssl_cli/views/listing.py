"""The table of `webssl get`, in plain columns like kubectl's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from webssl_cli.views.numbers import NOTHING, decimal, duration

if TYPE_CHECKING:
    from webssl_cli.kube.runs import RunOnCluster

COLUMNS = (
    "namespace",
    "name",
    "phase",
    "progress",
    "workers",
    "img/s",
    "loss",
    "checkpoint",
    "restarts",
    "age",
)


def listing(runs: Sequence[RunOnCluster], now: datetime | None = None) -> str:
    """One line per run below the names of the columns; `now` gives the ages."""
    names = tuple(column.upper() for column in COLUMNS)
    return columns([names, *(row(item, now or datetime.now(UTC)) for item in runs)])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, each column as wide as its widest cell."""
    widths = [max(len(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in rows)
    return "\n".join(line.rstrip() for line in lines)


def row(item: RunOnCluster, now: datetime) -> tuple[str, ...]:
    """The cells of one run, in the order of COLUMNS."""
    status, last = item.status, item.status.last_checkpoint
    age = (now - datetime.fromisoformat(item.created)).total_seconds() if item.created else None
    return (
        item.namespace,
        item.name,
        status.phase.value if status.phase else NOTHING,
        f"{status.progress.percent} %",
        status.workers.summary or NOTHING,
        decimal(status.progress.images_per_second),
        decimal(status.progress.loss, 3),
        NOTHING if last is None else f"step {last.step}",
        str(status.restarts.total),
        duration(age),
    )
