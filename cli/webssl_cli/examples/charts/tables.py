"""Small tables for charts, cut from the data sets of vega_datasets: prices, weather, harvests, employment, cars and more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from webssl_cli.examples.charts.climate import temperatures, weather
from webssl_cli.examples.charts.economy import employment, iowa, stocks
from webssl_cli.examples.charts.history import crimea, wheat
from webssl_cli.examples.charts.plants import barley, iris
from webssl_cli.examples.charts.table import Table
from webssl_cli.examples.charts.transport import airports, cars


def tables(data: Path) -> Iterator[Table]:
    """All tables, in a fixed order."""
    for source in (
        stocks,
        weather,
        temperatures,
        barley,
        iowa,
        employment,
        wheat,
        crimea,
        airports,
        cars,
        iris,
    ):
        yield from source(data)
