"""Queries of the dashboards: filled in like Grafana does, and asked of a Prometheus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from webssl_chart.queries import DashboardQuery, dashboard_queries, fill_in, unanswered


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


class _Prometheus(BaseHTTPRequestHandler):
    """Answers as Prometheus' HTTP API does: `up` has numbers, `nan` has none that is finite, `none` has no series."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(body)["query"][0]
        values = {"up": [[1, "1"]], "nan": [[1, "NaN"], [2, "+Inf"]]}
        if query == "bad(":
            self._answer(400, {"status": "error", "error": "parse error"})
            return
        result = [{"metric": {}, "values": values[query]}] if query in values else []
        self._answer(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

    def _answer(self, code: int, content: object) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def prometheus() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Prometheus) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_queries_without_a_finite_number_are_named(prometheus: str) -> None:
    queries = [DashboardQuery("board", "panel", expr) for expr in ("up", "nan", "none")]
    assert [query.expr for query in unanswered(prometheus, queries, 0, 10)] == ["nan", "none"]


def test_a_query_that_prometheus_cannot_read_is_an_error_that_says_so(prometheus: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"board / panel: bad\(: parse error"):
        unanswered(prometheus, [DashboardQuery("board", "panel", "bad(")], 0, 10)
