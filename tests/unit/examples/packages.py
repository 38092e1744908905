"""The packages that example sets are made from, as small made-up copies: no test needs a network."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import ImageFont
from webssl_cli.examples import fonts

SECTORS = (
    "construction",
    "manufacturing",
    "retail_trade",
    "utilities",
    "information",
    "financial_activities",
    "government",
)
WORDS = [
    "alpha",
    "bravo",
    "delta",
    "echo",
    "golf",
    "hotel",
    "india",
    "kilo",
    "lima",
    "mike",
    "nectar",
    "oscar",
]
WORDS += ["papa", "quebec", "romeo", "sierra", "tango", "union", "victor"]


def write_packages(cache: Path) -> None:
    """Fonts, tables and licences, where the packages' clients would leave them."""
    _fonts(cache)
    _tables(cache / "pypi" / "vega_datasets-0.9.0" / "vega_datasets" / "_data")
    _licences(cache / "npm" / "spdx-license-list-6.12.0" / "package")


def _fonts(cache: Path) -> None:
    """Pillow's own face under every name."""
    face = ImageFont.load_default(12)
    assert isinstance(face, ImageFont.FreeTypeFont)
    names = {*fonts.PLAIN, *fonts.DISPLAY, "LiberationMono-Bold.ttf"}
    for number, package in enumerate(("fonts-liberation", "fonts-lato", "fonts-comfortaa", "fonts-lobster")):
        folder = cache / "debian" / package / "usr" / "share"
        folder.mkdir(parents=True)
        for name in sorted(names)[number::4]:
            (folder / name).write_bytes(face.font_bytes)


def _tables(folder: Path) -> None:
    folder.mkdir(parents=True)
    days = [datetime(2012, 1, 1) + timedelta(days=5 * number) for number in range(73)]
    hours = [datetime(2010, 1, 1) + timedelta(hours=3 * number) for number in range(2920)]
    years = range(2001, 2011)
    tables: dict[str, list[dict[str, Any]]] = {
        "stocks.csv": [{"symbol": "ABC", "date": f"{month} 1 2001", "price": 10 + n} for n, month in enumerate(_months())],
        "seattle-weather.csv": [
            {
                "date": f"{day:%Y/%m/%d}",
                "precipitation": day.day / 10,
                "temp_max": day.day,
                "temp_min": 0,
                "wind": day.month,
                "weather": "rain" if day.day % 2 else "sun",
            }
            for day in days
        ],
        "seattle-temps.csv": [{"date": f"{hour:%Y/%m/%d %H:%M}", "temp": hour.hour + hour.month} for hour in hours],
        "sf-temps.csv": [{"temp": hour.hour, "date": f"{hour:%Y/%m/%d %H:%M:%S}"} for hour in hours],
        "iowa-electricity.csv": [
            {"year": f"{year}-01-01", "source": source, "net_generation": 100 * n + year}
            for n, source in enumerate(("Fossil Fuels", "Nuclear Energy", "Renewables"))
            for year in years
        ],
        "us-employment.csv": [
            {"month": f"{year}-{month:02d}-01", **{name: 10 * n + year + month for n, name in enumerate(SECTORS)}}
            for year in years
            for month in range(1, 13)
        ],
        "airports.csv": [{"state": state} for state in ("AA", "BB", "CC", "DD", "EE") for _ in range(ord(state[0]) - 59)],
        "barley.json": [{"yield": 20 + n, "variety": f"sort {n}", "year": 1931, "site": "Morris"} for n in range(10)],
        "wheat.json": [{"year": str(1600 + 5 * n), "wheat": 40 + n, "wages": 5 + n / 4} for n in range(7)],
        "crimea.json": [{"date": f"1854-{n + 4:02d}-01", "wounds": n, "other": 2 * n, "disease": 90 - n} for n in range(7)],
        "cars.json": [
            {"Miles_per_Gallon": 15 + n, "Horsepower": 150 - n, "Year": "1970-01-01", "Origin": ("USA", "Japan")[n % 2]}
            for n in range(12)
        ],
        "iris.json": [
            {"sepalLength": 5 + n / 50, "sepalWidth": 3, "petalLength": 1 + n, "petalWidth": n / 9, "species": "setosa"}
            for n in range(50)
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            if name.endswith(".json"):
                json.dump(rows, file)
            else:
                lines = csv.DictWriter(file, list(rows[0]))
                lines.writeheader()
                lines.writerows(rows)


def _months() -> list[str]:
    return [f"{datetime(2001, month, 1):%b}" for month in range(1, 13)]


def _licences(folder: Path) -> None:
    folder.mkdir(parents=True)
    text = (
        f"Copyright (c) 1999, 2003 Example Works, Inc. All rights reserved.\n\n1. Definitions.\n\n{' '.join(WORDS)}.\n\n"
        + "x " * 300
    )
    records = {
        f"EX-{number}.0": {
            "name": f"Example Licence {number}.0",
            "url": f"https://example.org/{number}",
            "osiApproved": bool(number % 2),
            "licenseText": f"Licence {number}.\n\n{text}",
        }
        for number in range(20)
    }
    again = {"EX-again": {**records["EX-1.0"], "name": "The text of another one"}}
    (folder / "spdx-full.json").write_text(json.dumps({**records, **again}))
