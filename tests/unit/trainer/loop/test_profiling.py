"""Requests for a trace, from the file of the annotation and by signals; traces in the bucket."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from webssl_trainer.loop.profile_watch import ProfileWatch
from webssl_trainer.loop.profiling import TraceFolder
from webssl_trainer.observe.profile_request import SIGNALLED_STEPS, ProfileRequest, parse_request
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun


class Looks:
    """A watch over two files, whose looks a test makes itself."""

    def __init__(self, folder: Path, asks: bool = True) -> None:
        self.signalled, self.asked = folder / "signalled", folder / "asked"
        self.done: set[str] = set()
        self.new(asks)

    def new(self, asks: bool = True) -> None:
        """Another process of the same agent."""
        asked = self.asked if asks else None
        self.watch = ProfileWatch(self.signalled, asked, lambda one: one.text in self.done, poll=1e6)

    def look(self) -> str | None:
        self.watch._look_once()
        request = self.watch.take()
        return None if request is None else request.text


def test_each_text_of_the_annotation_is_one_request(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert looks.look() is None
    looks.asked.write_text("5")
    assert [looks.look(), looks.look()] == ["5", None]
    looks.asked.write_text("5@again\n")
    assert [looks.look(), looks.look()] == ["5@again", None]


def test_a_request_that_an_earlier_attempt_has_answered_is_none(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    looks.asked.write_text("5")
    looks.done.add("5")
    assert looks.look() is None
    looks.new()
    looks.done.clear()
    assert looks.look() == "5", (
        "an attempt that ended before its trace was written is followed by one that tries again"
    )


def test_a_text_that_is_no_request_is_refused_once_with_what_is_wrong(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    looks.asked.write_text("soon")
    with capture_logs() as logs:
        assert [looks.look(), looks.look()] == [None, None]
    (refused,) = [line for line in logs if line["event"] == "profile.refused"]
    assert "'soon'" in refused["error"]


def test_only_rank_0_looks_at_the_annotation_and_all_at_the_agents_file(tmp_path: Path) -> None:
    looks = Looks(tmp_path, asks=False)
    looks.asked.write_text("5")
    assert looks.look() is None
    looks.signalled.write_text("5@1")
    assert looks.look() == "5@1"
    looks.new(asks=False)
    assert looks.look() is None, "it was asked of the process before"


def test_storage_that_is_away_makes_the_watch_look_again(tmp_path: Path) -> None:
    answers: list[bool | Exception] = [OSError("away"), False]

    def is_done(_: ProfileRequest) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    (tmp_path / "asked").write_text("3")
    watch = ProfileWatch(tmp_path / "signalled", tmp_path / "asked", is_done, poll=0.01)
    came = threading.Event()
    for _ in range(6000):
        if (request := watch.take()) is not None:
            break
        came.wait(0.01)
    watch.close()
    assert request == parse_request("3")


def test_a_signal_to_the_process_is_a_request(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR2)
    watch = Looks(tmp_path).watch
    try:
        watch.install()
        os.kill(os.getpid(), signal.SIGUSR2)
        request = watch.take()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert request is not None
    assert request.steps == SIGNALLED_STEPS


def test_a_trace_in_the_bucket_answers_its_request(tmp_path: Path) -> None:
    folder, request = TraceFolder(open_storage(), (tmp_path / "bucket").as_uri()), parse_request("5@1")
    assert not folder.has(request)
    folder.leave("step-000000000003-rank-00000.json.gz", b"trace", request)
    assert folder.has(request)
    assert not folder.has(parse_request("5@2"))
    assert (tmp_path / "bucket/profiles/step-000000000003-rank-00000.json.gz").read_bytes() == b"trace"


@pytest.fixture
def traced_run(local_run: Callable[..., LocalRun]) -> LocalRun:
    """A run that was asked by file before it began, and by a signal to its agent in its course; it has come to its end."""
    run = local_run(steps=120, workers=1)
    (run.folder / "profile").write_text("2")
    run.hold(20, seconds=0.5)
    run.start(0)
    traces = run.folder / "bucket" / "profiles"
    run.wait_until(lambda: len(list(traces.glob("*.gz"))) == 1, "the trace that the file asks for")
    run.send(0, signal.SIGUSR2)
    run.wait_until(lambda: len(list(traces.glob("*.gz"))) == 2, "the trace that the signal asks for")
    run.release()
    assert run.wait(0) == 0, run.logs()[-8000:]
    return run


def test_traces_are_left_beside_the_checkpoints_while_training_goes_on(traced_run: LocalRun) -> None:
    asked, signalled = sorted((traced_run.folder / "bucket/profiles").glob("*.gz"))
    for path, steps in ((asked, 2), (signalled, SIGNALLED_STEPS)):
        first = int(path.name.split("-")[1])
        events = {
            event.get("name") for event in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        }
        found = sorted(name for name in events if str(name).startswith("step "))
        assert found == sorted(f"step {number}" for number in range(first, first + steps))
    assert len(traced_run.steps()) == 120
