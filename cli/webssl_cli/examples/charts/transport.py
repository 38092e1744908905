"""Tables of airports and cars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from webssl_cli.examples.charts.records import csv_rows, grouped, json_rows, rounded
from webssl_cli.examples.charts.table import Table


def airports(data: Path) -> Iterator[Table]:
    """Numbers of airports, five states at a time."""
    by = grouped(csv_rows(data, "airports"), lambda row: row["state"])
    states = [state for state in sorted(by) if len(state) == 2 and state != "NA" and len(by[state]) > 4]
    for start in range(0, len(states) - 4, 5):
        part = states[start : start + 5]
        values = tuple(float(len(by[state])) for state in part)
        yield Table(
            f"airports-{part[0].lower()}", "Airports by state", "number of airports", "airports", "state",
            tuple(part), (("airports", values),), ("bar", "pie"),
        )  # fmt: skip


def cars(data: Path) -> Iterator[Table]:
    """Models of each year: how many by origin, their fuel economy, and power against it as points."""
    rows = [
        row for row in json_rows(data, "cars") if None not in (row["Horsepower"], row["Miles_per_Gallon"])
    ]
    by = grouped(rows, lambda row: row["Year"][:4])
    for year, found in sorted(by.items()):
        origins = grouped(found, lambda row: row["Origin"])
        labels = tuple(sorted(origins))
        counts = tuple(float(len(origins[origin])) for origin in labels)
        yield Table(
            f"cars-{year}", f"Car models of {year} by origin", "number of car models", "models", "origin",
            labels, (("models", counts),), ("pie", "bar"),
        )  # fmt: skip
        means = rounded([mean(row["Miles_per_Gallon"] for row in origins[origin]) for origin in labels])
        yield Table(
            f"mpg-{year}", f"Fuel economy of cars of {year}", "mean fuel economy", "miles per gallon", "origin",
            labels, (("economy", means),), ("bar",),
        )  # fmt: skip
        points = tuple(
            (float(row["Horsepower"]), float(row["Miles_per_Gallon"]), row["Origin"]) for row in found[::3]
        )
        yield Table(
            f"power-{year}",
            f"Cars of {year}",
            "cars",
            "miles per gallon",
            "horsepower",
            (),
            (),
            ("scatter",),
            points,
        )
