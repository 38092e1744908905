"""Queries of the dashboards, filled in like Grafana does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from webssl_chart.queries import dashboard_queries, fill_in


def test_variables_are_filled_in_with_and_without_braces() -> None:
    filled = fill_in('x{namespace="$namespace",run="${run}"}', {"namespace": "vision", "run": "big"})
    assert filled == 'x{namespace="vision",run="big"}'


def test_what_grafana_fills_in_by_itself_is_filled_in_too() -> None:
    assert fill_in("rate(x[$__rate_interval])", {}) == "rate(x[1m])"


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(KeyError, match="size"):
        fill_in("$size", {"run": "a"})


def test_panels_inside_collapsed_rows_are_found(tmp_path: Path) -> None:
    inner = {"type": "stat", "title": "inner", "targets": [{"expr": "a"}]}
    outer = {"type": "stat", "title": "outer", "targets": [{"expr": "b"}, {"expr": "c"}]}
    board = {"title": "Board", "panels": [{"type": "row", "title": "row", "panels": [inner]}, outer]}
    (tmp_path / "board.json").write_text(json.dumps(board))
    assert [query.expr for query in dashboard_queries(tmp_path, {})] == ["a", "b", "c"]
