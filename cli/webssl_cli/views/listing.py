"""The table of `webssl get`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from webssl_cli.views.numbers import NOTHING, decimal, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def listing(runs: Sequence[RunOnCluster], now: datetime | None = None) -> Table:
    """One row per run; `now` gives the ages."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in COLUMNS:
        table.add_column(column.upper(), no_wrap=True)
    for item in runs:
        table.add_row(*row(item, now or datetime.now(UTC)))
    return table


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
