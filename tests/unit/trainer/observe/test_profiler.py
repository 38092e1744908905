"""Traces of steps: asked for by a text, left by name, never at the cost of a step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from webssl_trainer.observe import profiler as module
from webssl_trainer.observe.profile_request import MOST_STEPS, ProfileRequest, parse_request
from webssl_trainer.observe.profiler import StepProfiler


@pytest.mark.parametrize(
    ("text", "steps"),
    [("5", 5), (" 1\n", 1), ("3@again", 3), ("7@2026-01-02T03:04:05Z", 7), ("100", MOST_STEPS)],
)
def test_a_request_is_a_number_of_steps_and_anything_that_makes_it_another(text: str, steps: int) -> None:
    assert parse_request(text).steps == steps


@pytest.mark.parametrize("text", ["", "0", "-1", "five", "5 steps", "5@" + "x" * 101, "5@a b"])
def test_what_is_no_request_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="write 5, for example"):
        parse_request(text)


def test_repeated_requests_differ_by_what_follows_the_number() -> None:
    keys = {parse_request(text).key for text in ("5", "5@1", "5@2", " 5")}
    assert len(keys) == 3


class Left:
    """What a profiler leaves, and the requests it finds."""

    def __init__(self, *texts: str) -> None:
        self.requests = [parse_request(text) for text in texts]
        self.traces: dict[str, bytes] = {}

    def take(self) -> ProfileRequest | None:
        return self.requests.pop(0) if self.requests else None

    def leave(self, name: str, trace: bytes, request: ProfileRequest) -> None:
        del request
        self.traces[name] = trace


def train(profiler: StepProfiler, steps: int) -> list[int]:
    done = []
    for number in range(10, 10 + steps):
        with profiler.step(number):
            torch.ones(8, 8) @ torch.ones(8, 8)
            done.append(number)
    profiler.close(30)
    return done


def test_the_steps_that_were_asked_for_are_in_the_trace_and_no_others(tmp_path: Path) -> None:
    left = Left("2")
    train(StepProfiler(left.take, left.leave, rank=3, scratch=tmp_path), 5)
    ((name, packed),) = left.traces.items()
    assert name == "step-000000000010-rank-00003.json.gz"
    events = {event.get("name") for event in json.loads(gzip.decompress(packed))["traceEvents"]}
    assert {"step 10", "step 11"} <= events
    assert "step 12" not in events
    assert any("mm" in str(event) for event in events)
    assert not list(tmp_path.iterdir()), "nothing stays in the scratch folder"


def test_a_request_that_comes_during_a_trace_is_answered_after_it(tmp_path: Path) -> None:
    left = Left("1", "1@again")
    profiler = StepProfiler(left.take, left.leave, rank=0, scratch=tmp_path)
    train(profiler, 1)
    train(profiler, 1)
    assert len(left.requests) == 0


def test_a_bucket_that_refuses_a_trace_costs_the_trace_alone(tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no writing here")

    with capture_logs() as logs:
        assert train(StepProfiler(Left("1").take, refuse, rank=0, scratch=tmp_path), 3) == [10, 11, 12]
    assert [line["error"] for line in logs if line["event"] == "profile.failed"] == [
        "PermissionError: no writing here"
    ]


def test_a_trace_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    left = Left("1")
    with capture_logs() as logs:
        train(StepProfiler(left.take, left.leave, rank=0, scratch=tmp_path), 1)
    assert not left.traces
    assert any(line["event"] == "profile.too_large" for line in logs)


def test_a_run_that_ends_amid_a_trace_ends_well(tmp_path: Path) -> None:
    left = Left("20")
    train(StepProfiler(left.take, left.leave, rank=0, scratch=tmp_path), 2)
    assert not left.traces
