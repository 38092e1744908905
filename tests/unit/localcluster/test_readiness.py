"""A node counts as Ready only by a report of its present life."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from webssl_localcluster.kubectl import is_ready

STARTED = datetime.datetime(2026, 1, 2, 3, 4, 5, 999_000, tzinfo=datetime.UTC)


def _node(status: str, reported: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": reported}
    return {"status": {"conditions": [{"type": "DiskPressure", "status": "False"}, condition]}}


@pytest.mark.parametrize(
    ("status", "reported", "ready"),
    [
        ("True", "2026-01-02T03:04:05Z", True),
        ("True", "2026-01-02T03:04:04Z", False),
        ("False", "2026-01-02T03:05:00Z", False),
        ("Unknown", "2026-01-02T03:05:00Z", False),
    ],
)
def test_a_report_from_before_the_start_does_not_count(status: str, reported: str, ready: bool) -> None:
    assert is_ready(_node(status, reported), STARTED) == ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert not is_ready({"status": {}})
