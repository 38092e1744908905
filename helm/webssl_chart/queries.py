"""The queries of the shipped dashboards, with their variables filled in, and what a Prometheus says to them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

# What Grafana fills in by itself; a minute holds several scrapes at every interval that the chart allows.
GRAFANA = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
_PLACEHOLDER = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")


@dataclass(frozen=True)
class DashboardQuery:
    """One expression as Prometheus gets it.

    Args:
        panel: title of its panel, for messages.
    """

    dashboard: str
    panel: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}: {self.expr}"


def fill_in(expr: str, variables: Mapping[str, str]) -> str:
    """`expr` with every `$name` and `${name}` replaced.

    Raises:
        KeyError: a variable that is neither in `variables` nor one of Grafana's own.
    """
    return _PLACEHOLDER.sub(lambda found: (GRAFANA | dict(variables))[found[1]], expr)


def dashboard_queries(folder: Path, variables: Mapping[str, str]) -> list[DashboardQuery]:
    """Every query of every `*.json` in `folder`.

    Args:
        variables: values of the dashboards' variables, such as `{"namespace": "default", "run": "demo"}`.
    """
    found = []
    for file in sorted(folder.glob("*.json")):
        board = json.loads(file.read_text())
        for panel in all_panels(board):
            found += [
                DashboardQuery(board["title"], panel["title"], fill_in(target["expr"], variables))
                for target in panel.get("targets", [])
            ]
    return found


def all_panels(board: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The panels of a dashboard's JSON, those inside rows included, rows themselves left out."""
    for panel in board.get("panels", []):
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def unanswered(
    prometheus_url: str, queries: Iterable[DashboardQuery], start: float, end: float, step: float = 5.0
) -> list[DashboardQuery]:
    """Those queries to which Prometheus has no finite number at any time between `start` and `end`.

    Args:
        start: seconds since the epoch; the time at which the run began.
        end: the time at which it was done.
        step: seconds between two points; coarser when the time is long (Prometheus gives 11,000 points at most).

    Raises:
        httpx.HTTPStatusError: Prometheus refuses a query; its message names the query's fault.
    """
    silent = []
    step = max(step, (end - start) / 10_000)
    with httpx.Client(base_url=prometheus_url, timeout=30, trust_env=False) as client:
        for query in queries:
            parameters = {"query": query.expr, "start": f"{start}", "end": f"{end}", "step": f"{step}"}
            answer = client.post("/api/v1/query_range", data=parameters)
            if answer.status_code == 400:
                raise httpx.HTTPStatusError(
                    f"{query}: {answer.json()['error']}", request=answer.request, response=answer
                )
            answer.raise_for_status()
            if not _has_number(answer.json()["data"]["result"]):
                silent.append(query)
    return silent


def _has_number(series: Iterable[Mapping[str, Any]]) -> bool:
    return any(math.isfinite(float(value)) for one in series for _, value in one["values"])
