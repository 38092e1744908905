"""Columns of the comparison: a run's benchmarks or a row of the paper, with its category means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webssl_eval.benchmarks.averages import averages
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.report.account import Account, Number
from webssl_eval.report.paper import PaperRow, chosen_rows


@dataclass(frozen=True)
class Series:
    """A column. own: a run's, not the paper's. scores: by benchmark. means: by category, and `Average`."""

    title: str
    own: bool
    scores: Mapping[str, Number]
    means: Mapping[str, Number]


def series_of(accounts: Sequence[Account]) -> tuple[Series, ...]:
    """The runs' columns, then the paper's, each of these once."""
    runs = [series for account in accounts for series in _own(account)]
    rows = {row.title: row for account in accounts for row in chosen_rows(account.subject).rows}
    return (*runs, *map(_paper, rows.values()))


def _own(account: Account) -> list[Series]:
    several = len(account.benchmarked) > 1
    return [
        Series(
            f"{account.subject.name} ({', '.join(item.suites)})" if several else account.subject.name,
            True,
            item.scores,
            item.means,
        )
        for item in account.benchmarked
    ]


def _paper(row: PaperRow) -> Series:
    """Means are computed from the row's parts: the paper prints them with two digits."""
    found = averages(row.scores, BENCHMARKS)
    means = {category.value: Number(mean.value, mean.label) for category, mean in found.categories.items()}
    means["Average"] = Number(row.average, found.total.label)
    return Series(row.title, False, {name: Number(value) for name, value in row.scores.items()}, means)
