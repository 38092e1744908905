"""A dashboard as plain data: what it asks and how the answer is shown. `render` makes Grafana's JSON from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Show(StrEnum):
    """How a panel draws its series."""

    LINES = "lines"
    STACKED = "stacked"
    NUMBER = "number"
    BARS = "bars"
    TABLE = "table"


@dataclass(frozen=True)
class Query:
    """One PromQL expression.

    Args:
        legend: Grafana's legend format, such as `{{suite}}`; in a table, the column's title.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One question and its answer.

    Args:
        description: what the figure means and what to look at when it is off; shown at the panel's corner.
        unit: a Grafana unit id (`s`, `percentunit`, `short`, ...).
        width: of 24 columns.
        maximum: upper end of the axis, for shares.
        key: in a table, the labels that make a row, in the order of the columns.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    show: Show = Show.LINES
    width: int = 8
    decimals: int | None = None
    maximum: float | None = None
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the dashboard.

    Args:
        query: `label_values(...)`, asked of the chosen data source.
        several: more than one value, or all, may be chosen.
    """

    name: str
    label: str
    query: str
    several: bool = False


@dataclass(frozen=True)
class Board:
    """One dashboard.

    Args:
        uid: stable id; also the name of its file.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    tags: tuple[str, ...] = field(default=("webssl",))

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)
