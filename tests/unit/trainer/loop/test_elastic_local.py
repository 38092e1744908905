"""Real training on this machine: agents die, are stopped and come back; the sequence of samples and the losses stay the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from webssl_api import exit_codes
from webssl_api.reports import TrainingState

STEPS = 24
Runs = Callable[..., Any]


def run_to_the_end(run: Any, workers: int) -> Any:
    for slot in range(workers):
        run.start(slot)
    assert [run.wait(slot) for slot in range(workers)] == [0] * workers, run.logs()[-8000:]
    return run


@pytest.fixture(scope="module")
def undisturbed(local_run_factory: Runs) -> Any:
    """The run that all others are compared with: two workers, nothing happens."""
    return run_to_the_end(local_run_factory("undisturbed", steps=STEPS, workers=2), 2)


def assert_same_training(run: Any, undisturbed: Any) -> None:
    """Same samples in every step, and losses within 1e-4, rolled-back steps aside."""
    steps, expected = run.steps(), undisturbed.steps()
    assert [step["ids"] for step in steps] == [step["ids"] for step in expected]
    assert [step["digest"] for step in steps] == [step["digest"] for step in expected]
    for step, other in zip(steps, expected, strict=True):
        for term, value in other["losses"].items():
            assert step["losses"][term] == pytest.approx(value, rel=1e-4, abs=1e-6), (step["step"], term)


def executed_steps(run: Any) -> int:
    """Steps that rank 0 logged in all attempts."""
    return len(re.findall(r'"event": "step"', run.logs()))


def test_the_report_of_a_complete_run_says_what_happened(undisturbed: Any) -> None:
    report = undisturbed.report()
    assert report.state is TrainingState.COMPLETED
    assert (report.step, report.samples, report.lost_steps, report.workers) == (STEPS, STEPS * 8, 0, 2)
    assert report.last_checkpoint is not None
    assert report.last_checkpoint.step == STEPS
    assert report.broken_samples > 0
    assert report.productive_seconds > 0


def test_the_quarantine_report_lists_the_broken_sample_whichever_process_met_it(undisturbed: Any) -> None:
    (path,) = undisturbed.folder.glob("bucket/quarantine/attempt-*.jsonl")
    head, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["key"], row["cause"]) for row in rows] == [("001-003", "not-decoded")]
    assert head["met"] == {"not-decoded": undisturbed.report().broken_samples}


def test_one_worker_sees_the_same_samples_and_losses_as_two(local_run: Runs, undisturbed: Any) -> None:
    run = run_to_the_end(local_run(steps=STEPS, workers=1), 1)
    assert {step["world_size"] for step in run.steps()} == {1}
    assert_same_training(run, undisturbed)


def test_the_worker_that_holds_rank_0_and_the_store_is_killed_and_comes_back(
    local_run: Runs, undisturbed: Any
) -> None:
    run = local_run(steps=STEPS, workers=2)
    run.hold(8, seconds=60)
    run.start(0)
    run.start(1)
    run.wait_until(lambda: run.checkpoints() and run.steps_logged() == 8, "eight steps and a checkpoint")
    run.wait_until(lambda: run.progress() == ["1 8", "1 8"], "both agents know of eight steps")
    run.kill(0)
    run.release()
    run.start(0)
    assert [run.wait(0), run.wait(1)] == [0, 0], run.logs()[-8000:]
    assert_same_training(run, undisturbed)
    report = run.report()
    assert report.attempt >= 2
    assert report.lost_steps == executed_steps(run) - STEPS


def test_two_workers_become_one_and_two_again(local_run: Runs, undisturbed: Any) -> None:
    run = local_run(steps=2 * STEPS, workers=2)
    run.hold(3)
    run.start(0)
    run.start(1)
    run.wait_until(lambda: run.steps_logged() >= 3, "three steps")
    assert run.terminate(1) == exit_codes.RETRY, "a stopped worker is not a complete one"
    run.want(1)
    run.wait_until(lambda: '"size": 1' in run.logs(), "a round of one")
    before = run.steps_logged()
    run.hold(before + 3)
    run.wait_until(lambda: run.steps_logged() >= before + 3, "three steps alone")
    run.want(2)
    run.start(1)
    run.wait_until(lambda: run.logs().count('"size": 2') >= 4, "a second round of two")
    run.release()
    assert [run.wait(0), run.wait(1)] == [0, 0], run.logs()[-8000:]
    steps = run.steps()
    sizes = [step["world_size"] for step in steps]
    changes = [size for number, size in enumerate(sizes) if number == 0 or size != sizes[number - 1]]
    assert changes == [2, 1, 2]
    assert run.report().lost_steps == 0, "every change of size was at a step boundary, after a checkpoint"
    assert [step["ids"] for step in steps[:STEPS]] == [step["ids"] for step in undisturbed.steps()]


def test_a_flipped_byte_in_the_newest_checkpoint_makes_the_resume_fall_back_and_the_report_say_so(
    local_run: Runs, undisturbed: Any
) -> None:
    run = local_run(steps=STEPS, workers=1)
    run.hold(12, seconds=60)
    run.start(0)
    run.wait_until(lambda: len(run.checkpoints()) >= 2, "two checkpoints")
    run.kill(0)
    run.release()
    newest = run.checkpoints()[-1]
    damaged = newest / "00000-00000.distcp"
    data = bytearray(damaged.read_bytes())
    data[1000] ^= 1
    damaged.write_bytes(data)
    run.start(0)
    assert run.wait(0) == 0, run.logs()[-8000:]
    report = run.report()
    assert [rejected.uri.rpartition("/")[2] for rejected in report.rejected_checkpoints] == [newest.name]
    assert "SHA-256" in report.rejected_checkpoints[0].reason
    assert report.resumed_from is not None
    assert report.resumed_from.step < int(newest.name.removeprefix("step-"))
    assert_same_training(run, undisturbed)


def test_a_mistake_of_the_user_ends_the_pod_with_its_reason_and_no_restart_loop(local_run: Runs) -> None:
    run = local_run(steps=STEPS, workers=1, data={"source": "file:///nowhere/at/all/*.tar"})
    (run.folder / "termination-0").touch()
    run.start(0)
    assert run.wait(0) == exit_codes.USER_ERROR
    assert "/nowhere/at/all" in (run.folder / "termination-0").read_text()


def test_a_worker_of_a_complete_run_ends_well_at_once(undisturbed: Any) -> None:
    attempts = len(list(undisturbed.folder.glob("bucket/attempts/*")))
    (undisturbed.folder / "report.json").unlink()
    undisturbed.start(0)
    assert undisturbed.wait(0) == 0
    assert len(list(undisturbed.folder.glob("bucket/attempts/*"))) == attempts
    assert undisturbed.report().state is TrainingState.COMPLETED, "a lost last report is delivered again"
