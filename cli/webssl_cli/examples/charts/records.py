"""The records of vega_datasets' files, and what tables are cut from them with."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def json_rows(data: Path, name: str) -> list[Record]:
    """The records of `name`.json, in its order."""
    found: list[Record] = json.loads((data / f"{name}.json").read_text(encoding="utf-8"))
    return found


def csv_rows(data: Path, name: str) -> list[Record]:
    """The records of `name`.csv, in its order; every value is text."""
    with (data / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def grouped(records: Sequence[Record], key: Callable[[Record], Any]) -> dict[Any, list[Record]]:
    """The records by their key, each group in the order of the records."""
    found: dict[Any, list[Record]] = defaultdict(list)
    for record in records:
        found[key(record)].append(record)
    return dict(found)


def rounded(values: Sequence[float], digits: int = 1) -> tuple[float, ...]:
    """The values with so many digits behind the point, as charts and answers show them."""
    return tuple(round(float(value), digits) for value in values)
