"""Tables of `webssl eval`: what a check of benchmark data found, and scores with the paper's means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webssl_cli.views.listing import columns
from webssl_cli.views.numbers import NOTHING

if TYPE_CHECKING:
    from webssl_eval.benchmarks.averages import Averages, Mean
    from webssl_eval.benchmarks.checking import Checked
    from webssl_eval.benchmarks.scoring import Result

_SHOWN = 3
"""Problems of a benchmark that are listed; how many more there are is said."""


def checked_table(found: Sequence[Checked]) -> str:
    """One line a benchmark, then its problems."""
    rows = [("BENCHMARK", "STATE", "FILES", "QUESTIONS", "PUBLISHED", "IMAGES", "PROBLEMS")]
    rows += [
        (
            item.benchmark.name,
            item.state.value,
            str(item.files),
            str(item.questions),
            str(item.benchmark.questions),
            str(item.images),
            str(len(item.problems)) if item.problems else NOTHING,
        )
        for item in found
    ]
    return "\n".join([columns(rows), *(line for item in found for line in _problems(item))])


def _problems(item: Checked) -> list[str]:
    if not item.problems:
        return []
    more = len(item.problems) - _SHOWN
    lines = [f"  {problem}" for problem in item.problems[:_SHOWN]]
    return ["", item.benchmark.name, *lines, *([f"  and {more} more"] if more > 0 else [])]


def scores_table(results: Sequence[Result], means: Averages) -> str:
    """One line a benchmark, then the category means and the total; what a number is not stands beside it."""
    rows = [("BENCHMARK", "SCORE", "QUESTIONS", "NOTE")]
    rows += [
        (item.benchmark.title, f"{item.scored.value:.2f}", str(item.questions), item.label or NOTHING)
        for item in results
    ]
    named = [
        *((category.value, mean) for category, mean in means.categories.items()),
        ("Average", means.total),
    ]
    lines = [("MEAN", "SCORE", "BENCHMARKS", "NOTE"), *(_mean(name, mean) for name, mean in named)]
    return f"{columns(rows)}\n\n{columns(lines)}"


def _mean(name: str, mean: Mean) -> tuple[str, ...]:
    value = NOTHING if mean.value is None else f"{mean.value:.2f}"
    return (name, value, f"{mean.counted} of {mean.declared}", mean.label or NOTHING)
