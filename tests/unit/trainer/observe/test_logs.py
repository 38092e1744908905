"""Logs go to the standard error of the moment, as one JSON object per line."""

from __future__ import annotations

import io
import json
import sys

import pytest
import structlog
from webssl_trainer.observe import logs


def test_a_line_is_one_json_object_with_the_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(rank=3)
    structlog.get_logger().warning("something.happened", step=7)
    # A thread of an earlier test may have something to say as well.
    (line,) = [json.loads(one) for one in capsys.readouterr().err.splitlines() if "something.happened" in one]
    assert (line["event"], line["rank"], line["step"], line["level"]) == (
        "something.happened",
        3,
        7,
        "warning",
    )


def test_a_standard_error_that_was_closed_since_does_not_stop_the_next_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = structlog.get_logger()
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logs.configure()
    log.warning("before")
    first.close()
    monkeypatch.setattr(sys, "stderr", second)
    log.warning("after")
    assert "after" in [json.loads(line)["event"] for line in second.getvalue().splitlines()]
