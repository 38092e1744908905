"""A small table with what its chart and the questions about it need to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bar", "line", "pie", "scatter"]


@dataclass(frozen=True)
class Table:
    """What one chart shows.

    Attributes:
        key: unlike all others.
        title: of the chart.
        measure: what a value is, as it stands in a question: `price of MSFT stock`.
        unit: of the values, as at the axis; over: what labels are, such as `month`.
        labels: of the columns. series: name and values, one for each label.
        kinds: charts that suit it.
        points: of a scatter chart instead: x, y and the series' name; then labels are empty, and over and unit name x and y.
    """

    key: str
    title: str
    measure: str
    unit: str
    over: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]
    kinds: tuple[Kind, ...]
    points: tuple[tuple[float, float, str], ...] = ()
