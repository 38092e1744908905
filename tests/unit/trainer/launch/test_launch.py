"""Settings, permitted worker counts, what the agent does when processes end, and the report of a complete run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from webssl_api import exit_codes
from webssl_api.manifest import CheckpointManifest
from webssl_api.reports import TrainingReport, TrainingState
from webssl_api.resolved import ResolvedRun
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.config import read_run
from webssl_trainer.errors import UserError
from webssl_trainer.launch.checks import check_run
from webssl_trainer.launch.completion import completed_report, deliver_completion
from webssl_trainer.launch.restarts import CrashCounter, Next
from webssl_trainer.launch.settings import parse
from webssl_trainer.reporting import FileSink

PLACES = {"WEBSSL_REPORT": "file:///r", "WEBSSL_RENDEZVOUS": "file:///z"}


def run_of(**changes: Any) -> ResolvedRun:
    spec = {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {"koleo": {"groupSize": 4}}},
        "data": {"source": "file:///d/*.tar"},
        "schedule": {
            "stages": [{"resolution": 56, "samples": 130}, {"resolution": 84, "samples": 64}],
            "globalBatchSize": 64,
        },
        "workers": {"min": 1, "max": 6, "processesPerWorker": 2},
        "checkpoint": {"uri": "file:///c", "interval": {"samples": 100}},
        **changes,
    }
    return ResolvedRun.model_validate({"name": "r", "namespace": "n", "uid": "u", "spec": spec})


def test_settings_come_from_the_environment_and_the_command_line_wins() -> None:
    settings = parse(["--slot", "3"], {**PLACES, "JOB_COMPLETION_INDEX": "1", "WEBSSL_WORKER_ID": "pod-1"})
    assert (settings.slot, settings.worker_id, settings.rendezvous) == (3, "pod-1", "file:///z")


def test_a_missing_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([], {"WEBSSL_REPORT": "file:///r"})
    assert "--rendezvous" in capsys.readouterr().err


def test_rounds_are_as_large_as_whole_groups_allow() -> None:
    _, limits = check_run(run_of())
    assert [limits.largest(available, None) for available in range(7)] == [0, 1, 2, 2, 4, 4, 4]
    assert limits.largest(6, wanted=3) == 2


def test_stages_are_rounded_up_to_whole_steps() -> None:
    config, _ = check_run(run_of())
    assert [(stage.first, stage.end, stage.global_size) for stage in config.stages] == [
        (0, 3, 56),
        (3, 4, 84),
    ]
    assert [config.stage_at(step) for step in range(5)] == [0, 0, 0, 1, 1]
    assert config.crops_of(1).global_size == 84
    assert config.checkpoint_every == 2


def test_a_run_file_that_is_wrong_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(run_of().to_yaml().replace("max: 6", "max: 0"))
    with pytest.raises(UserError, match=r"workers\.max"):
        read_run(path)
    with pytest.raises(UserError, match="missing"):
        read_run(tmp_path / "missing.yaml")


def test_lost_peers_never_end_a_pod_and_three_crashes_without_a_step_do() -> None:
    counter = CrashCounter()
    for _ in range(100):
        assert counter.decide([exit_codes.RETRY], (1, 0)) is Next.MEET_AGAIN
    assert [counter.decide([1], (1, 0)) for _ in range(2)] == [Next.MEET_AGAIN] * 2
    assert counter.decide([-9], (1, 5)) is Next.MEET_AGAIN, "progress forgives"
    assert [counter.decide([-9], (1, 5)) for _ in range(2)] == [Next.MEET_AGAIN, Next.GIVE_UP]


@pytest.mark.parametrize("codes", [[exit_codes.USER_ERROR], [exit_codes.RETRY, exit_codes.USER_ERROR, -15]])
def test_a_mistake_of_the_user_is_not_tried_again(codes: list[int]) -> None:
    assert CrashCounter().decide(codes, (0, 0)) is Next.USER_ERROR


def final_candidate() -> Candidate:
    manifest = CheckpointManifest(
        run_uid="u", attempt=2, step=9, samples=72, stage=0, final=True, world_size=2, config_digest="c",
        lost_steps=4, productive_seconds=1.5, objects=[],
    )  # fmt: skip
    return Candidate(FolderKey(AttemptKey(2, "0" * 8), 9), manifest)


def test_a_lost_last_report_is_made_again_from_the_final_checkpoint(tmp_path: Path) -> None:
    before = TrainingReport(attempt=2, state=TrainingState.SAVING, workers=2, step=8, loss=3.5)
    report = completed_report(final_candidate(), "file:///c", before)
    assert (report.state, report.step, report.workers, report.loss) == (TrainingState.COMPLETED, 9, 2, 3.5)
    assert (report.lost_steps, report.productive_seconds) == (4, 1.5)
    sink = FileSink(tmp_path / "report.json")
    assert deliver_completion(sink, final_candidate(), "file:///c", 10)
    text = sink.read()
    assert deliver_completion(sink, final_candidate(), "file:///c", 10)
    assert sink.read() == text
