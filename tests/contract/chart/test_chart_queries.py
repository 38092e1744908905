"""A real Prometheus reads every query of the dashboards, and a query without an answer is noticed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
import yaml
from webssl_chart.queries import DashboardQuery, dashboard_queries, fill_in, unanswered
from webssl_localcluster.processes import wait_until
from webssl_localcluster.tools.install import Toolbox

from tests.contract.chart.programs import CHART
from tests.contract.ports import free_ports

DASHBOARDS = CHART / "files" / "dashboards"
VARIABLES = {"namespace": "default", "run": "demo"}


@pytest.fixture(scope="module")
def prometheus(tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Scrapes itself and nothing else."""
    tools.system()
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    config = folder / "prometheus.yaml"
    scrape = {"job_name": "self", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    flags = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(tools.path("prometheus")), *flags], stdout=log, stderr=log)
    try:
        up = [DashboardQuery("board", "panel", "up")]
        wait_until(
            lambda: _has_scraped(f"http://{address}", up), "a first scrape", 180, f"look at {folder}/log"
        )
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(120)


def _has_scraped(url: str, queries: list[DashboardQuery]) -> bool:
    try:
        return unanswered(url, queries, time.time() - 60, time.time()) == []
    except httpx.HTTPError:
        return False


def test_every_query_is_one_that_prometheus_can_read(prometheus: str) -> None:
    queries = dashboard_queries(DASHBOARDS, VARIABLES)
    assert len(unanswered(prometheus, queries, time.time() - 60, time.time())) > 40


def test_every_variable_lists_labels_of_a_selector_that_prometheus_can_read(prometheus: str) -> None:
    for file in DASHBOARDS.glob("*.json"):
        for variable in json.loads(file.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                selector = variable["query"].removeprefix("label_values(").rpartition(",")[0]
                query = {"match[]": fill_in(selector, VARIABLES)}
                httpx.get(f"{prometheus}/api/v1/series", params=query, trust_env=False).raise_for_status()


def test_queries_without_a_finite_number_are_named(prometheus: str) -> None:
    queries = [
        DashboardQuery("board", "panel", expr) for expr in ("up", "up / 0", "(up - up) / 0", "nothing")
    ]
    silent = unanswered(prometheus, queries, time.time() - 60, time.time())
    assert [query.expr for query in silent] == ["up / 0", "(up - up) / 0", "nothing"]


def test_a_query_that_prometheus_cannot_read_is_an_error_that_says_so(prometheus: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"board / panel: bad\(: .*parse error"):
        unanswered(prometheus, [DashboardQuery("board", "panel", "bad(")], 0, 10)


def test_a_long_time_is_asked_in_steps_that_prometheus_accepts(prometheus: str) -> None:
    month = 30 * 86400
    assert unanswered(prometheus, [DashboardQuery("b", "p", "nothing")], time.time() - month, time.time(), 1)
