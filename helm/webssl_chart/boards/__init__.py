"""The dashboards, one a file, in the order in which Grafana lists them."""

from __future__ import annotations

from webssl_chart.boards.fleet import FLEET
from webssl_chart.boards.run import RUN
from webssl_chart.boards.sweep import SWEEP
from webssl_chart.panels import Board

BOARDS: tuple[Board, ...] = (RUN, FLEET, SWEEP)
