"""Which series exist: those of the operator's and of the trainer's tables, as Prometheus names them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prometheus_client import Metric
from webssl_operator.metrics import table
from webssl_trainer.observe.metrics import TrainerMetrics

_NAME = re.compile(r"\bwebssl_(?!dev_)[a-z0-9_]+\b")
_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}


def names_in(expr: str) -> set[str]:
    """Names of this project's series in a PromQL expression."""
    return set(_NAME.findall(expr))


def series_of(families: Iterable[Metric]) -> set[str]:
    """Names of the series that metric families give."""
    return {f"{family.name}{suffix}" for family in families for suffix in _SUFFIXES.get(family.type, ("",))}


def trainer_series() -> set[str]:
    """Names of the trainer's series."""
    return series_of(TrainerMetrics().registry.collect())


def operator_series() -> set[str]:
    """Names of the operator's series."""
    suffixes = {table.Type.HISTOGRAM: ("_bucket", "_sum", "_count")}
    return {f"{row.name}{suffix}" for row in table.TABLE for suffix in suffixes.get(row.type, ("",))}
