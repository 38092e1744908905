"""Holds every query of the shipped dashboards against the Prometheus that watched a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from webssl_chart.queries import dashboard_queries, unanswered

DASHBOARDS = Path(__file__).parents[2] / "helm" / "webssl-operator" / "files" / "dashboards"


@dataclass(frozen=True)
class WatchedRun:
    """A run that has ended, and the Prometheus that scraped it all the time.

    To have something to say on every panel, it must have saved a checkpoint while it trained, lost a worker, and been evaluated.

    Args:
        began: seconds since the epoch at which it was applied.
        prometheus: address of the Prometheus, such as `http://10.89.0.1:9090`.
        unfed: titles of panels for suites that the run does not have.
    """

    namespace: str
    name: str
    began: float
    prometheus: str
    unfed: frozenset[str] = frozenset()


def assert_every_query_has_data(run: WatchedRun, patience: float = 60) -> int:
    """Fails with the list of queries that have no finite number at any time of the run; returns how many were asked.

    Args:
        patience: seconds to wait for scrapes that are still to come (the scores appear last).
    """
    found = dashboard_queries(DASHBOARDS, {"namespace": run.namespace, "run": run.name})
    assert run.unfed <= {query.panel for query in found}
    queries = [query for query in found if query.panel not in run.unfed]
    end = time.monotonic() + patience
    silent = queries
    while silent:
        silent = unanswered(run.prometheus, silent, run.began, time.time())
        if not silent or time.monotonic() > end:
            break
        time.sleep(2)
    assert not silent, "no data for:\n" + "\n".join(str(query) for query in silent)
    return len(queries)
