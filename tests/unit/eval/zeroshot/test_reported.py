"""The suite as a job of a committed checkpoint, and its scores in a report."""

from __future__ import annotations

import json

from webssl_api.evaluation import SuiteSpec
from webssl_api.manifest import CheckpointManifest
from webssl_api.resolved import ResolvedRun
from webssl_eval.job import evaluate
from webssl_eval.published.importing import import_published
from webssl_eval.report.gather import account
from webssl_eval.report.tables import tables_of
from webssl_eval.settings import Settings
from webssl_trainer.configs.architecture import architecture

from tests.unit.eval.checkpoints import commit, drawn, spec_of
from tests.unit.eval.published import TINY, written


def test_a_job_scores_a_checkpoint_keeps_the_tower_and_is_reported(
    place, settings_for, labelled, names, prompts, tmp_path
):
    chosen = settings_for(test=labelled, class_names=names, prompts=prompts, reading="clsMean")
    suite = SuiteSpec(name="colours", zeroshot=chosen)
    evaluation = {"suites": [suite.to_dict()]}
    spec = spec_of(tmp_path / "run", objective={"mae": {}}, evaluation=evaluation)
    key = commit(place.storage, spec, drawn(architecture(spec), 7))
    manifest = CheckpointManifest.from_bytes(place.storage.read(f"{spec.checkpoint.uri}/{key.manifest_path}"))
    run = ResolvedRun.model_validate({"name": "r", "namespace": "n", "uid": "u", "spec": spec.to_dict()})
    folder = f"{spec.checkpoint.uri}/{key.path}"
    settings = Settings(run, suite, folder, manifest.digest, "file:///unused", tmp_path / "scratch")
    scores = evaluate(settings, place.storage, place.device, "2026-01-01T00:00:00Z", place.progress)
    assert scores.report.kind == "zeroshot"
    assert scores.report.scores["top1"] > scores.report.scores["chance"] == 25.0
    assert place.storage.exists(scores.details["tower"])
    assert scores.details["tower"].startswith(f"{folder}/eval/towers/")
    again = evaluate(settings, place.storage, place.device, "2027-01-01T00:00:00Z", place.progress)
    assert again.report.time == scores.report.time
    found = account(place.storage, spec.checkpoint.uri, "mine", 1)
    tables = {table.title: table for table in tables_of([found])}
    row = tables["Zero-shot, through a text tower on the frozen encoder"].rows[0]
    assert (row.head, row.cells[0].value) == ("classification, top-1 %", scores.report.scores["top1"])
    assert found.suites[0].data == labelled
    assert {example.reference for example in found.examples} <= {"red", "green", "blue", "white"}
    assert all(example.picture for example in found.examples)
    written = place.storage.read(f"{folder}/eval/colours/predictions.jsonl").decode().splitlines()
    assert json.loads(written[0])["label"] == "red"


def test_published_weights_are_given_a_text_tower_like_a_runs_own(
    place, settings_for, labelled, names, tmp_path
):
    done = import_published(
        written(tmp_path / "published", drawn(TINY, 5)),
        place.storage,
        (tmp_path / "run").as_uri(),
        "2026-01-02T03:04:05Z",
    )
    suite = SuiteSpec(zeroshot=settings_for(test=labelled, class_names=names, steps=2))
    spec = spec_of(tmp_path / "run", evaluation={"suites": [suite.to_dict()]})
    run = ResolvedRun(name="run", namespace="ns", uid="u", spec=spec)
    settings = Settings(run, suite, done.folder, done.manifest.digest, "file:///unused", tmp_path / "scratch")
    scores = evaluate(settings, place.storage, place.device, "2026-01-01T00:00:00Z", place.progress)
    assert scores.report.questions == 12
    assert scores.details["tower"].startswith(done.folder)
