"""Category means and the total of the paper: the mean of four category means, MME-P divided by 20."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from webssl_eval.benchmarks.benchmark import Benchmark, Category


@dataclass(frozen=True)
class Mean:
    """A mean over benchmarks.

    Attributes:
        value: per cent; None when nothing counts in it.
        counted: how many benchmarks count in it.
        declared: how many there are.
        reason: why it is partial; "" when it is not.
    """

    value: float | None
    counted: int
    declared: int
    reason: str = ""

    @property
    def partial(self) -> bool:
        """Whether it is over less than all that it is defined over."""
        return bool(self.reason)

    @property
    def label(self) -> str:
        """What stands beside the number."""
        return f"partial: {self.reason}" if self.partial else ""


@dataclass(frozen=True)
class Averages:
    """The means of the paper's table."""

    categories: Mapping[Category, Mean]
    total: Mean


def averages(
    values: Mapping[str, float], benchmarks: Iterable[Benchmark], incomplete: Iterable[str] = ()
) -> Averages:
    """Means of scores.

    A mean is labelled partial when a benchmark has no score, or one that is over a part of its questions. The partial total
    is the mean of the categories that have a score.

    Args:
        values: score of each benchmark by name, in the benchmark's own unit.
        benchmarks: those that are declared; ones without a category do not count.
        incomplete: names of benchmarks whose score is over a part of their questions.
    """
    some = set(incomplete)
    by_category: dict[Category, list[Benchmark]] = {}
    for benchmark in benchmarks:
        if benchmark.category is not None:
            by_category.setdefault(benchmark.category, []).append(benchmark)
    categories = {
        category: _mean(by_category[category], values, some)
        for category in Category
        if category in by_category
    }
    known = [mean.value for mean in categories.values() if mean.value is not None]
    members = [benchmark for found in by_category.values() for benchmark in found]
    total = Mean(
        fsum(known) / len(known) if known else None,
        sum(mean.counted for mean in categories.values()),
        len(members),
        _reason(members, values, some),
    )
    return Averages(categories, total)


def _mean(members: list[Benchmark], values: Mapping[str, float], some: set[str]) -> Mean:
    found = [values[member.name] / member.divisor for member in members if member.name in values]
    value = fsum(found) / len(found) if found else None
    return Mean(value, len(found), len(members), _reason(members, values, some))


def _reason(members: list[Benchmark], values: Mapping[str, float], some: set[str]) -> str:
    absent = [member.title for member in members if member.name not in values]
    parts = [member.title for member in members if member.name in values and member.name in some]
    said = []
    if absent:
        count = f"{len(members) - len(absent)} of {len(members)} benchmarks"
        said.append(f"{count}, without {', '.join(absent)}" if len(absent) <= 4 else count)
    if parts:
        said.append(
            f"a part of the questions of {', '.join(parts) if len(parts) <= 4 else f'{len(parts)} benchmarks'}"
        )
    return "; ".join(said)
