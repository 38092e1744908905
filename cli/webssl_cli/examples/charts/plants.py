"""Tables of harvests and flowers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from webssl_cli.examples.charts.records import grouped, json_rows, rounded
from webssl_cli.examples.charts.table import Table


def barley(data: Path) -> Iterator[Table]:
    """Yields by variety, half of the varieties of a site and year at a time."""
    by = grouped(json_rows(data, "barley"), lambda row: (row["site"], row["year"]))
    for (site, year), rows in sorted(by.items()):
        for half in (0, 1):
            part = rows[half * 5 : half * 5 + 5]
            labels, values = tuple(row["variety"] for row in part), rounded([row["yield"] for row in part])
            key = f"barley-{site.lower().replace(' ', '-')}-{year}-{half}"
            yield Table(
                key,
                f"Barley at {site}, {year}",
                "yield",
                "bushels/acre",
                "variety",
                labels,
                (("yield", values),),
                ("bar",),
            )


def iris(data: Path) -> Iterator[Table]:
    """Sizes of petals and sepals as points, some flowers of each species at a time."""
    rows = json_rows(data, "iris")
    for start in range(0, 50, 10):
        part = [row for number, row in enumerate(rows) if start <= number % 50 < start + 7]
        for x, y in (("sepalLength", "sepalWidth"), ("petalLength", "petalWidth")):
            points = tuple((row[x], row[y], row["species"]) for row in part)
            words = [name.replace("L", " l").replace("W", " w") for name in (x, y)]
            yield Table(
                f"iris-{x}-{start}",
                "Iris flowers",
                "flowers",
                f"{words[1]} (cm)",
                f"{words[0]} (cm)",
                (),
                (),
                ("scatter",),
                points,
            )
