"""Scores that are known are reported again; those of other settings or data are computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from webssl_api import env, exit_codes
from webssl_api.reports import EvaluationReport
from webssl_api.resolved import ResolvedRun
from webssl_eval import job
from webssl_eval.__main__ import main
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import Storage

from tests.unit.eval.conftest import png
from tests.unit.eval.small_job import environment_of, folder_below, run_of


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return folder_below(tmp_path)


@pytest.fixture
def environment(storage: Storage, tmp_path: Path) -> dict[str, str]:
    return environment_of(storage, tmp_path)


def test_known_scores_are_reported_again_without_computing(environment, tmp_path, monkeypatch):
    assert main(environment) == exit_codes.COMPLETE
    first = (tmp_path / "reports" / "knn.json").read_text()
    (tmp_path / "reports" / "knn.json").unlink()
    monkeypatch.setattr(job, "checkpoint_encoder", lambda *_: pytest.fail("the encoder was loaded again"))
    assert main(environment) == exit_codes.COMPLETE
    assert (tmp_path / "reports" / "knn.json").read_text() == first


def test_scores_that_another_suite_of_the_same_settings_left_are_not_computed_again(
    environment, tmp_path, monkeypatch
):
    assert main(environment) == exit_codes.COMPLETE
    run = run_of(tmp_path).to_dict()
    run["spec"]["evaluation"]["suites"][0]["name"] = "again"
    (tmp_path / "run.yaml").write_text(ResolvedRun.model_validate(run).to_yaml())
    environment[env.SUITE] = "again"
    monkeypatch.setattr(job, "checkpoint_encoder", lambda *_: pytest.fail("the encoder was loaded again"))
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert (report.suite, report.scores["top1"]) == ("again", 100.0)
    assert report.predictions_uri.endswith("/eval/knn/predictions.jsonl")


def test_scores_outlive_their_checkpoint_below_the_runs_folder(environment, storage, tmp_path, folder):
    assert main(environment) == exit_codes.COMPLETE
    digest = environment[env.CHECKPOINT_DIGEST][:8]
    kept = storage.read(f"{tmp_path.as_uri()}/evaluations/step-000000000002-{digest}/knn.json")
    assert kept == storage.read(f"{folder}/eval/knn/scores.json")
    report = json.loads(kept)["report"]
    assert len(report["settingsDigest"]) == len(report["dataDigest"]) == 64


@pytest.mark.parametrize("change", ["settings", "data", "damaged"])
def test_scores_of_other_settings_or_data_and_unreadable_ones_are_computed_again(
    environment, storage, tmp_path, folder, change
):
    assert main(environment) == exit_codes.COMPLETE
    url = f"{folder}/eval/knn/scores.json"
    before = json.loads(storage.read(url))
    if change == "settings":
        run = run_of(tmp_path).to_dict()
        run["spec"]["evaluation"]["suites"][0]["knn"]["k"] = 2
        (tmp_path / "run.yaml").write_text(ResolvedRun.model_validate(run).to_yaml())
    elif change == "data":
        pack([PackItem("one", png("red"), "png", label=0)], storage, (tmp_path / "labelled").as_uri())
    else:
        storage.put(url, b"{")
    assert main(environment) == exit_codes.COMPLETE
    after = json.loads(storage.read(url))
    assert after["settingsDigest"] != before["settingsDigest"] or change != "settings"
    assert after["dataDigest"] != before["dataDigest"] or change != "data"
