"""What people see of a run."""

from __future__ import annotations

import io

from rich.console import Console
from webssl_api import Phase, RunStatus, WebSSLRun
from webssl_api.status import (
    CheckpointStatus,
    EvaluationStatus,
    ProgressStatus,
    RejectedCheckpoint,
    RestartRecord,
    RestartsStatus,
    SuiteStatus,
    WorkersStatus,
)
from webssl_cli.views.events import events_between
from webssl_cli.views.live import LiveRun, training_line
from webssl_cli.views.numbers import duration
from webssl_cli.views.summary import score_rows, summary, training_rows

from tests.manifests.valid import valid_run

SPEC = WebSSLRun.parse(valid_run()).spec
CHECKPOINT = CheckpointStatus(uri="s3://runs/small/a", digest="ab" * 32, step=4, samples=128, attempt=1)
TRAINING = RunStatus(
    phase=Phase.RUNNING,
    attempt=1,
    workers=WorkersStatus(ready=2, desired=2, summary="2/2"),
    progress=ProgressStatus(
        samples=160, total_samples=320, step=5, percent=50, loss=1.25, images_per_second=31.5
    ),
    last_checkpoint=CHECKPOINT,
)
RESUMED = TRAINING.model_copy(
    update={
        "attempt": 2,
        "resumed_from": CHECKPOINT,
        "lost_steps": 1,
        "restarts": RestartsStatus(
            total=1,
            counted=0,
            recent=[RestartRecord(pod="small-0", uid="u1", reason="Deleted", counted=False, time="t")],
        ),
    }
)
KNN = SuiteStatus(name="knn", phase="Succeeded", scores={"accuracy": 61.5, "prior": 10.0}, questions=500)


def rendered(view: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(view)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_final_table_shows_training_scores_beside_priors_and_phases() -> None:
    status = RESUMED.model_copy(
        update={"evaluation": EvaluationStatus(phase="Succeeded", checkpoint_digest="cd" * 32, suites=[KNN])}
    )
    text = rendered(summary("small", SPEC, status, [("training", 95.0), ("evaluation", 30.0)]))
    for part in ("images per second", "31.5", "resumed from", "lost steps", "61.5 %", "10.0 %", "2 min 05 s"):
        assert part in text


def test_a_suite_without_scores_shows_why() -> None:
    failed = SuiteStatus(name="vqa", phase="Failed", message="no such file")
    assert score_rows(failed) == [("vqa", "Failed: no such file", "-", "-", "-", "-")]


def test_every_score_stands_beside_the_prior_of_its_kind() -> None:
    scores = {
        "accuracy": 60.0,
        "prior": 50.0,
        "blind": 48.0,
        "accuracy_colour": 30.0,
        "prior_colour": 12.0,
        "blind_colour": 9.0,
    }
    suite = SuiteStatus(name="vqa", phase="Succeeded", scores=scores, questions=96)
    assert score_rows(suite) == [
        ("vqa", "accuracy", "60.0 %", "50.0 %", "48.0 %", "96"),
        ("vqa", "accuracy_colour", "30.0 %", "12.0 %", "9.0 %", ""),
    ]


def test_a_top_5_score_has_no_prior_of_one_class_beside_it() -> None:
    suite = SuiteStatus(
        name="knn", phase="Succeeded", scores={"top1": 60.0, "top5": 93.0, "prior": 10.0}, questions=500
    )
    assert [row[1:4] for row in score_rows(suite)] == [("top1", "60.0 %", "10.0 %"), ("top5", "93.0 %", "-")]


def test_an_error_in_metres_is_no_per_cent_and_stands_beside_its_own_prior() -> None:
    scores = {"rmse": 0.4123, "absRel": 9.5, "prior_rmse": 1.25, "prior_absRel": 40.0}
    suite = SuiteStatus(name="depth", phase="Succeeded", scores=scores, questions=654)
    assert [row[1:4] for row in score_rows(suite)] == [
        ("absRel", "9.5 %", "40.0 %"),
        ("rmse", "0.412 m", "1.250 m"),
    ]


def test_the_speed_of_a_finished_training_is_the_mean_over_its_wall_time() -> None:
    status = TRAINING.model_copy(
        update={"start_time": "2026-01-01T00:00:00Z", "training_completion_time": "2026-01-01T00:00:10Z"}
    )
    rows = dict(training_rows(SPEC, status))
    assert rows["images per second, mean"] == "16.0"
    assert rows["workers"] == "1 to 2"


def test_what_is_unknown_is_a_dash() -> None:
    rows = dict(training_rows(SPEC, RunStatus()))
    assert rows["loss"] == rows["images per second"] == rows["goodput"] == "-"
    assert rows["samples"] == "0 of 320"


def test_a_lost_worker_and_the_resume_are_told() -> None:
    assert events_between(TRAINING, RESUMED, 320) == [
        "worker small-0 was lost (Deleted)",
        "attempt 2 resumes from the checkpoint of step 4 (attempt 1); 1 steps are trained again",
    ]


def test_nothing_new_tells_nothing() -> None:
    assert events_between(RESUMED, RESUMED, 320) == []


def test_a_damaged_checkpoint_is_told() -> None:
    bad = RejectedCheckpoint(uri="s3://runs/small/b", reason="model.distcp: sha256 differs")
    now = TRAINING.model_copy(update={"rejected_checkpoints": [bad]})
    assert events_between(TRAINING, now, 320) == [
        "checkpoint s3://runs/small/b did not verify: model.distcp: sha256 differs"
    ]


def test_suites_are_told_as_they_change() -> None:
    running = KNN.model_copy(update={"phase": "Running", "scores": {}})
    before = TRAINING.model_copy(update={"evaluation": EvaluationStatus(suites=[running])})
    after = TRAINING.model_copy(update={"evaluation": EvaluationStatus(suites=[KNN])})
    assert events_between(before, after, 320) == ["evaluation knn: Succeeded: accuracy 61.5 %, prior 10.0 %"]


def test_without_a_terminal_the_live_view_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=120)
    with LiveRun("small", 320, console) as live:
        live.update(TRAINING)
        live.update(RESUMED)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "phase Running" in lines
    assert any("attempt 2 resumes" in line for line in lines)


def test_the_line_beside_the_bar_names_loss_speed_workers_and_checkpoint() -> None:
    assert training_line(TRAINING) == "step 5, loss 1.250, 31.5 img/s, 2/2 workers, checkpoint 4"


def test_durations_are_read_by_people() -> None:
    assert [duration(s) for s in (None, 4.21, 185, 7620, 270000)] == [
        "-",
        "4.2 s",
        "3 min 05 s",
        "2 h 07 min",
        "3 d 3 h",
    ]
