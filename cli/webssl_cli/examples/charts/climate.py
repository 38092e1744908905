"""Tables of weather and temperatures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import mean

from webssl_cli.examples.charts.records import MONTHS, csv_rows, grouped, rounded
from webssl_cli.examples.charts.table import Kind, Table


def weather(data: Path) -> Iterator[Table]:
    """Seattle by month: rain, temperature and wind of each year, and days by weather of every second month."""
    by = grouped(csv_rows(data, "seattle-weather"), lambda row: row["date"][:4])
    for year, rows in sorted(by.items()):
        months = grouped(rows, lambda row: int(row["date"][5:7]))
        for column, measure, unit, kinds in (
            ("precipitation", "mean daily precipitation", "mm", ("bar",)),
            ("temp_max", "mean highest temperature", "°C", ("line", "bar")),
            ("wind", "mean wind speed", "m/s", ("line", "bar")),
        ):
            values = rounded([mean(float(row[column]) for row in months[month]) for month in sorted(months)])
            title = f"Seattle {year}: {measure}"
            labels = tuple(MONTHS[month - 1] for month in sorted(months))
            chosen: tuple[Kind, ...] = kinds  # type: ignore[assignment]
            yield Table(
                f"weather-{column}-{year}",
                title,
                measure,
                unit,
                "month",
                labels,
                ((measure, values),),
                chosen,
            )
        for month, days in sorted(months.items()):
            if month % 2:
                counted = grouped(days, lambda row: row["weather"])
                sizes = tuple(float(len(counted[kind])) for kind in sorted(counted))
                title = f"Days by weather, Seattle, {MONTHS[month - 1]} {year}"
                if len(counted) > 1:
                    yield Table(
                        f"days-{year}-{month:02d}", title, "number of days", "days", "weather",
                        tuple(sorted(counted)), (("days", sizes),), ("pie", "bar"),
                    )  # fmt: skip


def temperatures(data: Path) -> Iterator[Table]:
    """A mean day of each month of 2010, in two cities."""
    places = (
        ("seattle-temps", "Seattle", "%Y/%m/%d %H:%M"),
        ("sf-temps", "San Francisco", "%Y/%m/%d %H:%M:%S"),
    )
    for name, place, form in places:
        timed = [(datetime.strptime(row["date"], form), float(row["temp"])) for row in csv_rows(data, name)]
        for month, short in enumerate(MONTHS, 1):
            hours = range(0, 24, 3)
            values = [
                mean(temp for when, temp in timed if when.month == month and when.hour == hour)
                for hour in hours
            ]
            labels = tuple(f"{hour}:00" for hour in hours)
            measure = f"mean temperature in {place}"
            yield Table(
                f"{name}-{month:02d}", f"{place} in {short} 2010", measure, "°F", "hour",
                labels, (("temperature", rounded(values)),), ("line", "bar"),
            )  # fmt: skip
