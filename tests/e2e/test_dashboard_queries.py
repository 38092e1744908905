"""Every query on the dashboards returns data from the real Prometheus that watched a run."""

from __future__ import annotations

from tests.e2e.dashboards import WatchedRun, assert_every_query_has_data


def test_every_query_of_every_dashboard_has_data(watched_run: WatchedRun) -> None:
    assert assert_every_query_has_data(watched_run) > 40
