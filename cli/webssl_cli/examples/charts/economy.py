"""Tables of prices, electricity and employment, year by year."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from webssl_cli.examples.charts.records import csv_rows, grouped, rounded
from webssl_cli.examples.charts.table import Table


def stocks(data: Path) -> Iterator[Table]:
    """Prices by month, a table for each stock and year with six months and more."""
    by = grouped(csv_rows(data, "stocks"), lambda row: (row["symbol"], row["date"][-4:]))
    for (symbol, year), rows in sorted(by.items()):
        if len(rows) >= 6:
            labels = tuple(row["date"][:3] for row in rows)
            values = rounded([float(row["price"]) for row in rows])
            title = f"{symbol} in {year}"
            yield Table(
                f"stock-{symbol.lower()}-{year}", title, f"price of {symbol} stock", "US dollars", "month",
                labels, (("price", values),), ("line", "bar"),
            )  # fmt: skip


def iowa(data: Path) -> Iterator[Table]:
    """Iowa's electricity by source: each year alone, and five years in a row."""
    by = grouped(csv_rows(data, "iowa-electricity"), lambda row: row["year"][:4])
    for year, rows in sorted(by.items()):
        labels, values = (
            tuple(row["source"] for row in rows),
            rounded([float(row["net_generation"]) for row in rows], 0),
        )
        yield Table(
            f"iowa-{year}", f"Electricity in Iowa, {year}", "net generation", "GWh", "source",
            labels, (("generation", values),), ("pie", "bar"),
        )  # fmt: skip
    years = sorted(by)
    for start in range(0, len(years) - 4, 4):
        part = years[start : start + 5]
        series = tuple(
            (
                source,
                rounded(
                    [
                        float(row["net_generation"])
                        for year in part
                        for row in by[year]
                        if row["source"] == source
                    ],
                    0,
                ),
            )
            for source in ("Fossil Fuels", "Nuclear Energy", "Renewables")
        )
        yield Table(
            f"iowa-from-{part[0]}", "Electricity in Iowa by source", "net generation", "GWh", "year",
            tuple(part), series, ("line", "bar"),
        )  # fmt: skip


def employment(data: Path) -> Iterator[Table]:
    """US jobs: each sector over five years, and sectors beside each other for each year."""
    rows = csv_rows(data, "us-employment")
    by = grouped(rows, lambda row: row["month"][:4])
    sectors = (
        "construction",
        "manufacturing",
        "retail_trade",
        "utilities",
        "information",
        "financial_activities",
        "government",
    )
    for sector in sectors:
        words = sector.replace("_", " ")
        years = sorted(by)
        for start in range(0, len(years) - 4, 5):
            part = years[start : start + 5]
            values = rounded([mean(float(row[sector]) for row in by[year]) for year in part], 0)
            yield Table(
                f"jobs-{sector}-{part[0]}", f"US employment: {words}", f"number of jobs in {words}", "thousands", "year",
                tuple(part), (("jobs", values),), ("bar", "line"),
            )  # fmt: skip
    for year in sorted(by):
        shown = sectors[:4] if int(year) % 2 else sectors[2:6]
        values = rounded([mean(float(row[sector]) for row in by[year]) for sector in shown], 0)
        labels = tuple(sector.replace("_", " ") for sector in shown)
        yield Table(
            f"jobs-in-{year}", f"US jobs in {year}", "number of jobs", "thousands", "sector",
            labels, (("jobs", values),), ("bar", "pie"),
        )  # fmt: skip
