"""Tables of the past: wheat and wages in England, deaths in the Crimean War."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from webssl_cli.examples.charts.records import MONTHS, json_rows, rounded
from webssl_cli.examples.charts.table import Table


def wheat(data: Path) -> Iterator[Table]:
    """Prices of wheat and weekly wages, six dates at a time."""
    rows = [row for row in json_rows(data, "wheat") if row.get("wages") is not None]
    for start in range(0, len(rows) - 5, 6):
        part = rows[start : start + 6]
        labels = tuple(row["year"] for row in part)
        series = (
            ("wheat", rounded([row["wheat"] for row in part])),
            ("wages", rounded([row["wages"] for row in part])),
        )
        yield Table(
            f"wheat-{labels[0]}", "Price of wheat and weekly wages, England", "amount", "shillings", "year",
            labels, series, ("line", "bar"),
        )  # fmt: skip


def crimea(data: Path) -> Iterator[Table]:
    """Deaths by cause, six months at a time."""
    rows = json_rows(data, "crimea")
    for start in range(0, len(rows) - 5, 6):
        part = rows[start : start + 6]
        labels = tuple(f"{MONTHS[int(row['date'][5:7]) - 1]} {row['date'][2:4]}" for row in part)
        series = tuple(
            (name, rounded([row[name] for row in part], 0)) for name in ("disease", "wounds", "other")
        )
        yield Table(
            f"crimea-{part[0]['date'][:7]}", "Deaths in the Crimean War by cause", "number of deaths", "deaths", "month",
            labels, series, ("bar", "line"),
        )  # fmt: skip
