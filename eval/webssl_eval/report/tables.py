"""The tables of a report, free of any format. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webssl_api.reports import UNITS

from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.report.account import Account, Benchmarked, Number, SuiteResult
from webssl_eval.report.paper import PaperRow, chosen_rows
from webssl_eval.report.series import Series, series_of

PROBES = {
    "linear": ("top1", "ImageNet-1k linear, top-1 %"),
    "segmentation": ("miou", "ADE20K linear, mIoU %"),
    "segmentation-ms": ("miou", "ADE20K linear +ms, mIoU %"),
    "depth": ("rmse", "NYUv2 depth, RMSE m"),
    "depth-lin4": ("rmse", "NYUv2 depth lin.4, RMSE m"),
}
"""By kind and variant of a suite: the metric that the paper has, and on what."""
ZERO_SHOT = {
    "top1": "classification, top-1 %",
    "top5": "classification, top-5 %",
    **{f"imageToTextR{k}": f"image to text, R@{k} %" for k in (1, 5, 10)},
    **{f"textToImageR{k}": f"text to image, R@{k} %" for k in (1, 5, 10)},
}
"""Metrics of the `zeroshot` suite, and what they are called."""


@dataclass(frozen=True)
class Row:
    """A line: its head and its cells. kind: `score`, `mean` or `total`."""

    head: str
    cells: tuple[Number | str, ...]
    kind: str = "score"
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table. own: how many of the columns are the runs'; the paper's follow. notes: stand below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    own: int = 0
    notes: tuple[str, ...] = ()


def tables_of(accounts: Sequence[Account]) -> tuple[Table, ...]:
    """All tables that have something to say, in the order of the report."""
    found = [
        comparison(accounts),
        probes(accounts),
        zero_shot(accounts),
        side_by_side(accounts),
        *map(suites, accounts),
        cost(accounts),
    ]
    return tuple(table for table in found if table.rows)


def comparison(accounts: Sequence[Account]) -> Table:
    """The 16 benchmarks, category means and average: a column each run and each row of the paper."""
    series = series_of(accounts)
    own = sum(item.own for item in series)
    rows: list[Row] = []
    for category in Category:
        for benchmark in BENCHMARKS:
            if benchmark.category is category:
                cells = tuple(item.scores.get(benchmark.name, Number(None)) for item in series)
                unit = "points of 2000" if benchmark.divisor != 1 else ""
                rows.append(Row(benchmark.title, cells, "score", unit))
        rows.append(Row(category.value, tuple(item.means[category.value] for item in series), "mean"))
    rows.append(Row("Average", tuple(item.means["Average"] for item in series), "total"))
    notes = tuple(dict.fromkeys(note for account in accounts for note in chosen_rows(account.subject).notes))
    return Table(
        "Scores against the paper",
        tuple(item.title for item in series),
        tuple(rows) if own else (),
        own,
        ("the average is the mean of the four category means, MME-P divided by 20", *notes),
    )


def probes(accounts: Sequence[Account]) -> Table:
    """The classic probes beside the paper's."""
    papers = list({row.title: row for account in accounts for row in _probed(account)}.values())
    rows = []
    for kind, (metric, title) in PROBES.items():
        own = tuple(_probe(account, kind, metric) for account in accounts)
        if any(number.value is not None for number in own):
            rows.append(Row(title, own + tuple(Number(row.probes.get(kind)) for row in papers)))
    return Table(
        "Classic probes",
        (*(account.subject.name for account in accounts), *(row.title for row in papers)),
        tuple(rows),
        len(accounts),
        (
            "the paper's are on the sets that stand in the rows' heads; a run's are on the data of its own suites, named below",
        ),
    )


def zero_shot(accounts: Sequence[Account]) -> Table:
    """What the runs' text towers read in them; the paper has no such row."""
    rows = []
    for metric, title in ZERO_SHOT.items():
        own = tuple(_probe(account, "zeroshot", metric) for account in accounts)
        if any(number.value is not None for number in own):
            rows.append(Row(title, own))
    return Table(
        "Zero-shot, through a text tower on the frozen encoder",
        tuple(account.subject.name for account in accounts),
        tuple(rows),
        len(accounts),
        ("on the data of the runs' own suites, named below, where the scores by lot stand too",),
    )


def side_by_side(accounts: Sequence[Account]) -> Table:
    """Suites that several of the runs have: equal name, kind and version, on equal data. A column each run."""
    found: dict[tuple[str, str, int, str], dict[int, SuiteResult]] = {}
    for number, account in enumerate(accounts):
        for suite in account.suites:
            found.setdefault((suite.name, suite.kind, suite.version, suite.data_digest), {})[number] = suite
    rows = []
    for (name, *_), by_run in found.items():
        metrics = (
            sorted({metric for suite in by_run.values() for metric in suite.scores})
            if len(by_run) > 1
            else []
        )
        for metric in metrics:
            if not any(_in_comparison(metric, accounts[number].benchmarked) for number in by_run):
                values = [by_run[n].scores.get(metric) if n in by_run else None for n in range(len(accounts))]
                label = "partial" if metric.endswith("_partial") else ""
                rows.append(
                    Row(
                        f"{name}: {metric}",
                        tuple(Number(value, label if value is not None else "") for value in values),
                        unit=UNITS.get(metric, "%"),
                    )
                )
    return Table(
        "The runs side by side",
        tuple(account.subject.name for account in accounts),
        tuple(rows),
        len(accounts),
        ("suites of one name and version that were scored on the same data",),
    )


def suites(account: Account) -> Table:
    """Every score of every suite of a checkpoint, benchmarks aside."""
    rows = []
    for suite in account.suites:
        told = (
            suite.kind,
            f"{suite.questions:,}",
            suite.data,
            f"v{suite.version}, data {suite.data_digest[:12]}",
        )
        for metric, value in sorted(suite.scores.items()):
            if not _in_comparison(metric, account.benchmarked):
                unit = UNITS.get(metric, "%")
                label = "partial" if metric.endswith("_partial") else ""
                rows.append(Row(f"{suite.name}: {metric}", (Number(value, label), unit, *told)))
    columns = ("score", "unit", "kind", "questions", "data", "version")
    return Table(f"All suites of {account.subject.name}", columns, tuple(rows), 1)


def cost(accounts: Sequence[Account]) -> Table:
    """What the checkpoints cost: a column each."""
    names = list(dict.fromkeys(name for account in accounts for name in account.cost))
    rows = tuple(Row(name, tuple(account.cost.get(name, "-") for account in accounts)) for name in names)
    return Table("Cost", tuple(account.subject.name for account in accounts), rows, len(accounts))


def category_series(accounts: Sequence[Account]) -> tuple[Series, ...]:
    """The columns of the comparison, for pictures; none when no run has a benchmark."""
    series = series_of(accounts)
    return series if any(item.own for item in series) else ()


def number_text(number: Number, digits: int = 2) -> str:
    """A number as people read it; `-` for none."""
    return "-" if number.value is None else f"{number.value:,.{digits}f}"


def _in_comparison(metric: str, benchmarked: Sequence[Benchmarked]) -> bool:
    """Whether a suite's metric stands in the comparison already."""
    names = {benchmark.name.replace("-", "_") for benchmark in BENCHMARKS}
    base = metric.removesuffix("_partial")
    return bool(benchmarked) and (base in names or base == "average" or base.startswith("category_"))


def _probed(account: Account) -> list[PaperRow]:
    return [row for row in chosen_rows(account.subject).rows if row.probes]


def _probe(account: Account, kind: str, metric: str) -> Number:
    found = [suite for suite in account.suites if _kind(suite) == kind and metric in suite.scores]
    if not found:
        return Number(None)
    values: Mapping[str, float] = found[0].scores
    more = "" if len(found) == 1 else f"of suite {found[0].name}; {len(found) - 1} more below"
    return Number(values[metric], more)


def _kind(suite: SuiteResult) -> str:
    return f"{suite.kind}-{suite.variant}" if suite.variant else suite.kind
