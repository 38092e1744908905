"""`webssl report`: which runs it finds, what it writes where, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner
from webssl_api import ResolvedRun, RunStatus, WebSSLRun
from webssl_cli.errors import CliError
from webssl_cli.kube.runs import RunOnCluster
from webssl_cli.main import make_app
from webssl_cli.reported import report_cost, reported, told_apart, training_cost
from webssl_trainer.errors import UserError

from tests.unit.eval.checkpoints import spec_of
from tests.unit.eval.evaluated_run import EvaluatedRun

APP = make_app(with_cluster=False)
STATUS = {
    "gpuHours": 2.5,
    "goodput": 0.9,
    "lostSteps": 3,
    "startTime": "2026-01-01T00:00:00Z",
    "trainingCompletionTime": "2026-01-01T01:00:00Z",
    "progress": {"samples": 5000, "imagesPerSecond": 123.4},
    "restarts": {"total": 1},
    "evaluation": {"suites": [{"name": "vqa", "phase": "Failed", "message": "no\n data"}]},
}


def webssl(*arguments: str) -> Result:
    return CliRunner().invoke(APP, ["report", *arguments])


def no_cluster() -> None:
    raise AssertionError("a folder or an address needs no cluster")


@pytest.fixture
def run(tmp_path: Path) -> EvaluatedRun:
    made = EvaluatedRun(tmp_path)
    made.benchmarks(("mmvp",))
    return made


@pytest.fixture
def folder(run: EvaluatedRun, tmp_path: Path) -> Path:
    """The folder that `webssl run` would have left."""
    spec = spec_of(tmp_path / "run")
    head = {"apiVersion": "webssl.dev/v1alpha1", "kind": "WebSSLRun", "metadata": {"name": "local-run"}}
    resolved = ResolvedRun.of(WebSSLRun.parse({**head, "spec": spec.to_dict()}))
    work = tmp_path / "webssl-runs" / "local-run"
    work.mkdir(parents=True)
    (work / "run.yaml").write_text(resolved.to_yaml())
    (work / "status.json").write_text(json.dumps(STATUS))
    return work


def test_an_address_becomes_a_page(run: EvaluatedRun, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = webssl(run.uri, "--out", str(page))
    assert done.exit_code == 0, done.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert str(page) in done.output


def test_a_folder_of_webssl_run_tells_its_cost_and_what_failed(folder: Path, tmp_path: Path) -> None:
    done = webssl(str(folder), "--format", "md")
    assert done.exit_code == 0, done.output
    assert "# local-run" in done.output
    assert "| GPU hours | 2.500 |" in done.output
    assert "| goodput | 90.0 % |" in done.output
    assert "| images per second, last | 123.4 |" in done.output
    assert "suite vqa failed: no data" in done.output


def test_the_name_of_a_run_is_looked_up_in_the_cluster_and_its_storage_is_used(tmp_path: Path) -> None:
    storage = {"endpoint": "http://s3.storage.svc:8333", "region": "here"}
    spec = spec_of(tmp_path / "run", data={"source": "file:///data/*.tar", "storage": storage})
    head = {"apiVersion": "webssl.dev/v1alpha1", "kind": "WebSSLRun", "metadata": {"name": "far"}}
    stored = WebSSLRun.parse({**head, "spec": spec.to_dict(), "status": STATUS})

    class Cluster:
        def get(self, name: str) -> RunOnCluster:
            assert name == "far"
            return RunOnCluster(stored, "")

    found = reported("far", Cluster)  # type: ignore[arg-type]
    assert (found.uri, found.endpoint, found.region) == (spec.checkpoint.uri, storage["endpoint"], "here")
    assert found.cost["GPU hours"] == "2.500"
    assert found.cost["wall time of training"] == "1 h 00 min"
    assert found.notes == ("suite vqa failed: no data",)


def test_several_runs_of_one_name_are_told_apart(run: EvaluatedRun) -> None:
    done = webssl(run.uri, run.checkpoint, "--format", "csv")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.output)))
    columns = {row["column"] for row in rows if row["row"] == "MMVP"}
    assert {"run #1", "run #2"} < columns
    assert told_apart(["a", "b", "a"]) == ["a #1", "b", "a #2"]


def test_a_run_that_was_stopped_early_tells_the_last_report(folder: Path) -> None:
    (folder / "status.json").unlink()
    (folder / "progress").mkdir()
    (folder / "progress" / "report.json").write_text('{"imagesPerSecond": 7.5, "productiveSeconds": 12}')
    found = reported(str(folder), no_cluster)  # type: ignore[arg-type]
    assert found.cost["images per second, last"] == "7.5"
    assert found.cost["wall time in steps that count"] == "12.0 s"


def test_figures_that_nobody_knows_are_no_numbers() -> None:
    from webssl_api import TrainingReport

    told = training_cost(RunStatus())
    assert told["goodput"] == told["images per GPU hour"] == told["wall time of training"] == "-"
    assert report_cost(TrainingReport())["images per second, last"] == "-"


def test_a_folder_that_is_not_there_and_a_file_in_none_are_refused(run: EvaluatedRun, tmp_path: Path) -> None:
    done = webssl("webssl-runs/nothing")
    assert isinstance(done.exception, CliError)
    assert "webssl-runs/nothing: there is no such folder: name a run of the cluster" in str(done.exception)
    done = webssl(run.uri, "--out", str(tmp_path / "nowhere" / "page.html"))
    assert "page.html: No such file or directory: name a file in a folder that is there" in str(
        done.exception
    )
    done = webssl((tmp_path / "empty").as_uri())
    assert isinstance(done.exception, UserError)
    assert "holds no committed checkpoint" in str(done.exception)
