"""One suite on one pinned checkpoint: what is loaded, refused, written, reported, and not done twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from webssl_api import env, exit_codes
from webssl_api.data import StorageSpec
from webssl_api.evaluation_object import WebSSLEvaluationSpec
from webssl_api.reports import EvaluationReport
from webssl_api.resolved import ResolvedRun
from webssl_eval import job
from webssl_eval.__main__ import main
from webssl_eval.encoders.checkpoint import pinned_manifest
from webssl_eval.results import known_scores
from webssl_eval.settings import settings_of
from webssl_operator.construct import evaluation_object
from webssl_trainer.errors import UserError
from webssl_trainer.reporting import SinkUnavailableError
from webssl_trainer.storage import Storage

from tests.unit.eval.small_job import environment_of, folder_below, run_of


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return folder_below(tmp_path)


@pytest.fixture
def environment(storage: Storage, tmp_path: Path) -> dict[str, str]:
    return environment_of(storage, tmp_path)


def test_where_the_encoder_looks_is_drawn_beside_the_scores(environment, storage, folder):
    assert main(environment) == exit_codes.COMPLETE
    assert storage.read(f"{folder}/eval/knn/encoder.png").startswith(b"\x89PNG")


def test_a_suite_reports_and_leaves_scores_and_predictions_next_to_the_checkpoint(
    environment, storage, tmp_path, folder
):
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert report.scores == {"top1": 100.0, "top5": 100.0, "prior": 66.6667}
    assert (report.suite, report.kind, report.questions) == ("knn", "knn", 3)
    assert report.checkpoint_digest == environment[env.CHECKPOINT_DIGEST]
    assert report.predictions_uri == f"{folder}/eval/knn/predictions.jsonl"
    lines = [json.loads(line) for line in storage.read(report.predictions_uri).splitlines()]
    assert [line["predicted"][0] for line in lines] == ["0", "1", "0"]
    scores = known_scores(storage, f"{folder}/eval/knn")
    assert scores is not None
    assert scores.report == report
    # The checkpoint itself is untouched.
    manifest = pinned_manifest(storage, folder, environment[env.CHECKPOINT_DIGEST])
    entry = manifest.objects[0]
    assert hashlib.sha256(storage.read(f"{folder}/{entry.path}")).hexdigest() == entry.sha256


@pytest.mark.parametrize("pin", ["whole", "first digits", "none"])
def test_what_the_operator_makes_of_an_evaluation_object_scores_a_checkpoint_whose_run_is_not_there(
    environment, tmp_path, folder, pin
):
    digest = environment[env.CHECKPOINT_DIGEST]
    run = run_of(tmp_path)
    wanted = WebSSLEvaluationSpec.model_validate(
        {
            "checkpoint": {"uri": folder},
            "encoder": {"size": "tiny", "patchSize": 14, "resolution": 28},
            "suites": run.to_dict()["spec"]["evaluation"]["suites"],
        }
    )
    assert wanted.encoder is not None
    spec = evaluation_object.run_of(wanted.encoder, StorageSpec(), wanted)
    resolved = ResolvedRun(name="any", namespace="ns", uid="u", spec=spec)
    (tmp_path / "run.yaml").write_text(resolved.to_yaml())
    environment[env.CHECKPOINT_DIGEST] = {"whole": digest, "first digits": digest[:12], "none": ""}[pin]
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert (report.checkpoint_digest, report.scores["top1"]) == (digest, 100.0)


def test_tables_and_pictures_of_a_suite_lie_beside_its_scores_and_are_not_computed_twice(
    environment, storage, tmp_path, folder, monkeypatch
):
    labelled = f"{(tmp_path / 'labelled').as_uri()}/*.tar"
    probe = {"train": labelled, "test": labelled, "steps": 3, "batchSize": 2, "learningRates": [0.1, 0.2]}
    run = run_of(tmp_path, evaluation={"suites": [{"linear": probe, "name": "probe"}]})
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    environment[env.SUITE] = "probe"
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert (report.suite, report.kind, set(report.scores)) == ("probe", "linear", {"top1", "top5", "prior"})
    heads = json.loads(storage.read(f"{folder}/eval/probe/heads.json"))
    assert len(heads) == 8
    monkeypatch.setattr(job, "checkpoint_encoder", lambda *_: pytest.fail("the encoder was loaded again"))
    assert main(environment) == exit_codes.COMPLETE


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (env.SUITE, "vqa"),
        (env.SUITE, ""),
        (env.RUN_FILE, "/no/such/file"),
        (env.CHECKPOINT_DIGEST, "0" * 64),
        (env.CHECKPOINT_URI, "file:///no/such/checkpoint"),
        (env.REPORT, "http://somewhere"),
    ],
)
def test_what_a_retry_cannot_mend_ends_with_the_users_exit_code(environment, variable, value):
    assert main({**environment, variable: value}) == exit_codes.USER_ERROR


def test_a_fault_that_may_pass_ends_with_the_code_for_a_retry(environment, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("the disk is away")

    monkeypatch.setattr(job, "checkpoint_encoder", fail)
    assert main(environment) == exit_codes.RETRY


def test_a_suite_that_the_run_does_not_have_is_named_with_those_it_has(environment):
    with pytest.raises(UserError, match=r"WEBSSL_SUITE=other is no suite of run run \(it has: knn\)"):
        settings_of({**environment, env.SUITE: "other"})


class Flaky:
    """A sink that is away for the first `failures` writes."""

    def __init__(self, failures: int) -> None:
        self.failures, self.texts = failures, list[str]()

    def write(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise SinkUnavailableError("away")
        self.texts.append(text)

    def read(self) -> str | None:
        return self.texts[-1] if self.texts else None


REPORT = EvaluationReport(suite="s", kind="knn", checkpoint_digest="d", scores={"top1": 1.0}, questions=1)


def test_a_report_is_sent_patiently():
    sink, pauses = Flaky(4), list[float]()
    job.send(REPORT, sink, pauses.append)
    assert EvaluationReport.model_validate_json(sink.texts[0]) == REPORT
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_place_that_stays_away_is_an_error_in_the_end():
    with pytest.raises(SinkUnavailableError):
        job.send(REPORT, Flaky(1000), lambda _: None)
