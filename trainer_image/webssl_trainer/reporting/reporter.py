"""Reports are sent from a thread of their own: the newest wins, an unreachable place never stops training."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import structlog
from pydantic import ValidationError
from webssl_api.reports import TrainingReport
from webssl_api.status import StatusModel

from webssl_trainer.reporting.sinks import Sink, SinkUnavailableError

log = structlog.get_logger("webssl.report")


class Reporter(Protocol):
    """What the training loop knows of reports."""

    def report(self, report: TrainingReport, urgent: bool = False) -> None:
        """Hand in the newest report; returns at once. urgent: do not wait for the end of the interval."""
        ...

    def flush(self, timeout: float) -> bool:
        """Wait until the newest report has been left; False after `timeout` seconds."""
        ...


class BackgroundReporter:
    """Sends at most one report per `interval` seconds (urgent ones at once), retrying with growing pauses up to `longest_pause`."""

    def __init__(self, sink: Sink, interval: float = 5.0, longest_pause: float = 10.0) -> None:
        self._sink, self._interval, self._longest_pause = sink, interval, longest_pause
        self._changed = threading.Condition()
        self._newest: StatusModel | None = None
        self._handed_in = self._sent = 0
        self._urgent = False
        threading.Thread(target=self._run, name="reporter", daemon=True).start()

    def report(self, report: StatusModel, urgent: bool = False) -> None:
        """See Reporter; any kind of report."""
        with self._changed:
            self._newest = report
            self._handed_in += 1
            self._urgent = self._urgent or urgent
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """See Reporter."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            number = self._handed_in
            return self._changed.wait_for(lambda: self._sent >= number, timeout)

    def _run(self) -> None:
        pause, last = 0.0, -self._interval
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._handed_in > self._sent)
                self._changed.wait_for(
                    lambda: self._urgent, max(0.0, last + self._interval - time.monotonic())
                )
                report, number, self._urgent = self._newest, self._handed_in, False
            assert report is not None
            try:
                self._sink.write(report.model_dump_json(by_alias=True, exclude_none=True))
            except SinkUnavailableError as error:
                pause = min(max(0.5, pause * 2), self._longest_pause)
                log.warning("report.unavailable", error=str(error), retry_in=pause)
                time.sleep(pause)
                with self._changed:
                    self._urgent = True
                continue
            pause, last = 0.0, time.monotonic()
            with self._changed:
                self._sent = number
                self._changed.notify_all()


def last_report(sink: Sink) -> TrainingReport | None:
    """The report that was left last; None when there is none, it is not readable, or the place is away."""
    try:
        text = sink.read()
    except SinkUnavailableError as error:
        log.warning("report.unreadable", error=str(error))
        return None
    if not text:
        return None
    try:
        return TrainingReport.model_validate_json(text)
    except ValidationError:
        return None
