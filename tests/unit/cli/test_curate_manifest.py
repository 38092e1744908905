"""`webssl curate run` with a manifest: what `webssl validate` refuses, it refuses in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner
from webssl_api.curation import WebSSLCuration
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.manifest import check

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run
from tests.manifests.wrong import Wrong, curation

APP = make_app(with_cluster=False)
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}


def written(tmp_path: Path, *manifests: Any) -> Path:
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump_all(manifests, sort_keys=False))
    return file


def refusal(file: Path) -> str:
    """What `webssl curate run` says instead of beginning."""
    result = CliRunner().invoke(APP, ["curate", "run", str(file)])
    assert isinstance(result.exception, CliError), result.output
    return str(result.exception)


def of_validate(file: Path) -> str:
    """What `webssl validate` says of a wrong file."""
    result = CliRunner().invoke(APP, ["validate", str(file)])
    assert result.exit_code == 2
    return result.stderr.rstrip("\n")


def without(*fields: str) -> dict[str, Any]:
    manifest = valid_curation()
    for field in fields:
        del manifest[field]
    return manifest


def with_spec(**change: Any) -> dict[str, Any]:
    manifest = valid_curation()
    manifest["spec"].update(change)
    return manifest


@pytest.mark.parametrize("wrong", curation.ROWS, ids=lambda wrong: wrong.name)
def test_every_wrong_curation_is_refused_as_validate_does(wrong: Wrong, tmp_path: Path) -> None:
    file = written(tmp_path, wrong.manifest())
    assert refusal(file) == of_validate(file)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (without("apiVersion"), ":1:1: apiVersion is missing: add `apiVersion: webssl.dev/v1alpha1`"),
        (without("kind"), ":1:1: kind is missing: add `kind: WebSSLCuration`"),
        (
            {**valid_curation(), "kind": "WebSSLCurations"},
            ':2:1: kind "WebSSLCurations" is unknown: write WebSSLRun, WebSSLCuration or WebSSLEvaluation',
        ),
        (with_spec(ranges="2"), 'spec.ranges "2" is not allowed: write a valid integer'),
        (with_spec(max_retries=1), "spec.max_retries is not a field: did you mean maxRetries?"),
        (with_spec(output={}), "spec.output.uri is missing: add it (Folder of the"),
        ("WebSSLCuration", ":1:1: the manifest is not a mapping: begin with apiVersion, kind"),
    ],
)
def test_a_refusal_names_place_field_value_and_mend(manifest: Any, says: str, tmp_path: Path) -> None:
    file = written(tmp_path, manifest)
    assert refusal(file).startswith(f"{file}:")
    assert says in refusal(file)
    assert refusal(file) == of_validate(file)


def test_numbers_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump(valid_curation(), sort_keys=False) + "  maxBadShare: 1e-3\n")
    assert check.one_of(WebSSLCuration, file).spec.max_bad_share == 1e-3


def test_objects_of_other_kinds_may_stand_beside_the_curation(tmp_path: Path) -> None:
    file = written(tmp_path, SECRET, valid_run(), valid_curation(), valid_evaluation())
    assert check.one_of(WebSSLCuration, file).metadata.name == "text"


@pytest.mark.parametrize(
    ("manifests", "count"),
    [([], 0), ([SECRET, valid_run()], 0), ([valid_curation(), valid_curation()], 2)],
)
def test_a_file_must_hold_exactly_one_curation(manifests: list[Any], count: int, tmp_path: Path) -> None:
    file = written(tmp_path, *manifests)
    assert refusal(file) == f"{file}: holds {count} WebSSLCurations: name a file with exactly one"


def test_broken_yaml_is_pointed_at(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("kind: WebSSLCuration\nspec: [\n")
    assert refusal(file).startswith(f"{file}:3:1: not valid YAML")


def test_a_run_of_a_misspelled_kind_is_told_which_kinds_there_are(tmp_path: Path) -> None:
    file = written(tmp_path, SECRET, {**valid_run(), "kind": "WebSSLRuns"})
    with pytest.raises(CliError, match=r'kind "WebSSLRuns" is unknown: write WebSSLRun, '):
        check.one_run(file)
