"""Series of the operator itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from webssl_operator.metrics import table
from webssl_operator.plan.decision import Plan

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class OwnMetrics:
    """Counts passes, actions, errors and losses. depth, stale: read at every scrape."""

    def __init__(
        self, registry: CollectorRegistry, depth: Callable[[], int], stale: Callable[[], bool]
    ) -> None:
        self._seconds = Histogram(
            table.PASS_SECONDS.name, table.PASS_SECONDS.help, buckets=_BUCKETS, registry=registry
        )
        self._errors = _counter(table.PASS_ERRORS, registry)
        self._actions = _counter(table.ACTIONS, registry)
        self._losses = _counter(table.RESTARTS_BY_REASON, registry)
        self.leading = Gauge(table.LEADING.name, table.LEADING.help, registry=registry)
        Gauge(table.QUEUE_DEPTH.name, table.QUEUE_DEPTH.help, registry=registry).set_function(depth)
        Gauge(table.STALE.name, table.STALE.help, registry=registry).set_function(lambda: float(stale()))

    def passed(self, seconds: float, plan: Plan | None) -> None:
        """A pass went well."""
        self._seconds.observe(seconds)
        for action in plan.actions if plan is not None else ():
            self._actions.labels(type(action).__name__).inc()
        for reason in plan.losses if plan is not None else ():
            self._losses.labels(reason).inc()

    def failed(self, seconds: float, kind: str) -> None:
        """A pass failed."""
        self._seconds.observe(seconds)
        self._errors.labels(kind).inc()


def _counter(series: table.Series, registry: CollectorRegistry) -> Counter:
    return Counter(series.name.removesuffix("_total"), series.help, series.labels, registry=registry)
