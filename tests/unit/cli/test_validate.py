"""`webssl validate`: what the API server refuses, pointed at in the file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.manifest import check

from tests.manifests.valid import valid_run
from tests.manifests.wrong import CREATE, Wrong

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
runner = CliRunner()
APP = make_app(with_cluster=False)


def faults_of(manifest: object, tmp_path: Path) -> list[check.Fault]:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return [fault for document in check.read(file) for fault in check.check(document).faults]


def test_there_are_examples() -> None:
    assert {"demo.yaml", "local.yaml", "elastic.yaml", "dino-1b-mc2b.yaml"} <= {
        file.name for file in EXAMPLES
    }


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_is_valid(file: Path) -> None:
    result = runner.invoke(APP, ["validate", str(file)])
    assert result.exit_code == 0, result.output


def test_a_valid_run_has_no_faults(tmp_path: Path) -> None:
    assert faults_of(valid_run(), tmp_path) == []


@pytest.mark.parametrize("wrong", CREATE, ids=lambda wrong: wrong.name)
def test_every_wrong_manifest_is_refused_at_a_place_in_the_file(wrong: Wrong, tmp_path: Path) -> None:
    faults = faults_of(wrong.manifest(), tmp_path)
    assert faults
    assert all(fault.position.line >= 1 and fault.text for fault in faults)


@pytest.mark.parametrize(
    ("change", "place", "text"),
    [
        (
            {"workers": {"min": 4, "max": 2}},
            "min: 4",
            "spec.workers.min 4 is above spec.workers.max 2: lower min or raise max",
        ),
        ({"modle": {}}, "modle: {}", "spec.modle is not a field: did you mean model?"),
        ({"workers": {"max": "2"}}, "max: '2'", 'spec.workers.max "2" is not allowed: write a valid integer'),
        ({"workers": {"max_workers": 2, "max": 2}}, "max_workers", "spec.workers.max_workers is not a field"),
        (
            {"checkpoint": {"uri": "s3:/x", "interval": {"samples": 64}}},
            "uri: s3:/x",
            "spec.checkpoint.uri s3:/x is not a storage",
        ),
        ({"schedule": {"globalBatchSize": 32}}, "schedule:", "spec.schedule.stages is missing: add it"),
        ({"model": {"size": "9B"}}, "size: 9B", "it must be 'tiny', 'S', 'B'"),
    ],
)
def test_a_fault_names_field_value_and_mend_and_points_at_its_line(
    change: dict[str, object], place: str, text: str, tmp_path: Path
) -> None:
    run = valid_run()
    run["spec"].update(change)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(run, sort_keys=False))
    faults = check.check(check.read(file)[0]).faults
    fault = next(fault for fault in faults if text in fault.text)
    assert place in file.read_text().splitlines()[fault.position.line - 1]


def test_python_names_of_fields_are_refused_as_the_api_server_does(tmp_path: Path) -> None:
    run = valid_run()
    run["spec"]["schedule"]["global_batch_size"] = run["spec"]["schedule"].pop("globalBatchSize")
    texts = [fault.text for fault in faults_of(run, tmp_path)]
    assert "spec.schedule.global_batch_size is not a field: did you mean globalBatchSize?" in texts


def test_a_number_such_as_1e_3_is_a_number_as_for_kubernetes(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    run = yaml.safe_dump(valid_run()) + "  optimizer: {learningRate: 1e-3}\n"
    file.write_text(run)
    assert check.one_run(file).spec.optimizer.learning_rate == 1e-3


def test_kind_and_version_must_be_written(tmp_path: Path) -> None:
    run = valid_run()
    del run["apiVersion"]
    assert [fault.text for fault in faults_of(run, tmp_path)] == [
        "apiVersion is missing: add `apiVersion: webssl.dev/v1alpha1`"
    ]


def test_other_kinds_in_the_same_file_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    file.write_text(yaml.safe_dump_all([secret, valid_run()]))
    assert check.one_run(file).metadata.name == "small"


def test_a_file_with_two_runs_is_no_run(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump_all([valid_run(), valid_run()]))
    with pytest.raises(CliError, match="holds 2 WebSSLRuns: name a file with exactly one"):
        check.one_run(file)


def test_broken_yaml_is_pointed_at(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("kind: WebSSLRun\nspec: [\n")
    with pytest.raises(CliError, match=r"broken\.yaml:3:1: not valid YAML"):
        check.read(file)


@pytest.mark.parametrize("text", ["spec: &a\n  data: *a\n", "items: &a\n- kind: List\n  items: *a\n"])
def test_a_value_that_holds_itself_is_no_yaml_as_for_kubernetes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "round.yaml"
    file.write_text(f"kind: WebSSLRun\n{text}")
    with pytest.raises(
        CliError, match=r"round\.yaml:2:\d: not valid YAML \(the value of an anchor holds an alias"
    ):
        check.read(file)


def webssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webssl_cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_error_is_one_line_with_exit_code_2_and_no_traceback() -> None:
    result = webssl("validate", "/no/such/file.yaml")
    assert result.returncode == 2
    assert result.stderr == "error: /no/such/file.yaml: no such file: name an existing manifest\n"


def test_debug_shows_the_traceback() -> None:
    result = webssl("validate", "/no/such/file.yaml", "--debug")
    assert result.returncode != 0
    assert "Traceback" in result.stderr


def test_the_faults_of_a_manifest_are_lines_that_editors_can_jump_to(tmp_path: Path) -> None:
    run = valid_run()
    run["spec"]["workers"] = {"min": 4, "max": 2}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(run))
    result = webssl("validate", str(file))
    assert result.returncode == 2
    assert re.fullmatch(r"\S+run\.yaml:\d+:\d+: spec\.workers\.min 4 is above .*\n", result.stderr)


def test_the_help_does_not_import_what_it_does_not_need() -> None:
    code = (
        "import sys; from webssl_cli.main import make_app; make_app(with_cluster=False);"
        "print([m for m in ('torch', 'kubernetes', 'torchx', 's3fs', 'pydantic', 'httpx') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_explain_says_what_a_field_means() -> None:
    result = runner.invoke(APP, ["explain", "websslrun.spec.workers.max"])
    assert result.exit_code == 0
    assert "spec.workers.max (integer, required)" in result.output
    assert "Most workers" in result.output


def test_explain_lists_the_fields_below() -> None:
    result = runner.invoke(APP, ["explain", "spec.evaluation.suites"])
    assert "knn" in result.output
    assert "vqa" in result.output
