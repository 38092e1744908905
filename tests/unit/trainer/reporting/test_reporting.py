"""Reports: the newest wins, an unreachable place costs nothing but the report."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from webssl_api.reports import TrainingReport
from webssl_trainer.errors import UserError
from webssl_trainer.reporting import BackgroundReporter, FileSink, SinkUnavailableError, sink_at
from webssl_trainer.reporting.reporter import last_report


class FlakySink:
    """Fails a number of times, then keeps what it gets."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.texts: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def write(self, text: str) -> None:
        self.open.wait()
        if self.failures > 0:
            self.failures -= 1
            raise SinkUnavailableError("away")
        self.texts.append(text)

    def read(self) -> str | None:
        raise SinkUnavailableError("away")


def steps(sink: FlakySink) -> list[int]:
    return [TrainingReport.model_validate_json(text).step for text in sink.texts]


def test_a_report_is_left_in_the_file_whole(tmp_path: Path) -> None:
    sink = sink_at((tmp_path / "deep" / "report.json").as_uri())
    reporter = BackgroundReporter(sink)
    reporter.report(TrainingReport(step=3))
    assert reporter.flush(120)
    assert last_report(sink) == TrainingReport(step=3)


def test_a_place_that_is_away_is_tried_again_until_the_newest_report_is_there() -> None:
    sink = FlakySink(failures=1)
    reporter = BackgroundReporter(sink, interval=0.01)
    for step in range(5):
        reporter.report(TrainingReport(step=step))
    assert reporter.flush(120)
    assert steps(sink)[-1] == 4


def test_reports_between_two_sendings_are_dropped_for_the_newest() -> None:
    sink = FlakySink(failures=0)
    sink.open.clear()
    reporter = BackgroundReporter(sink, interval=60)
    for step in range(1000):
        reporter.report(TrainingReport(step=step))
    sink.open.set()
    assert reporter.flush(120)
    assert steps(sink)[-1] == 999
    assert len(sink.texts) <= 3


def test_flush_gives_up_when_the_place_stays_away() -> None:
    sink = FlakySink(failures=10**9)
    reporter = BackgroundReporter(sink, interval=0.01)
    reporter.report(TrainingReport())
    assert not reporter.flush(0.2)
    sink.failures = 0  # or its thread would complain in the midst of later tests
    assert reporter.flush(120)


@pytest.mark.parametrize("text", ["", "nonsense", '{"step": -4}'])
def test_an_unreadable_report_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "r").write_text(text)
    assert last_report(FileSink(tmp_path / "r")) is None
    assert last_report(FlakySink(0)) is None


def test_an_unknown_address_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="configmap://"):
        sink_at("http://somewhere/else")
