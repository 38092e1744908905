"""`webssl validate` on every kind: passes over a data set and evaluations are held against their rules as runs are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result
from webssl_api.base import ApiModel
from webssl_api.kind import Kind
from webssl_api.kinds import KINDS
from webssl_cli.main import make_app
from webssl_cli.manifest import check, fields, kinds

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run
from tests.manifests.wrong import OTHER_KINDS, Wrong

ROOT = Path(__file__).parents[3]
APP = make_app(with_cluster=False)
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
ALL = [valid_run, valid_curation, valid_evaluation]
NAMES = "WebSSLRun, WebSSLCuration"


def validated(tmp_path: Path, *manifests: Any) -> Result:
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump_all(manifests, sort_keys=False))
    return CliRunner().invoke(APP, ["validate", str(file)])


def faults_of(manifest: object, tmp_path: Path) -> list[str]:
    """Each fault behind the text of its line, as `line | fault`."""
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump(manifest, sort_keys=False))
    lines = file.read_text().splitlines()
    (document,) = check.read(file)
    checked = check.check(document)
    assert checked.found is None or not checked.faults
    return [f"{lines[fault.position.line - 1].strip()} | {fault.text}" for fault in checked.faults]


def documented() -> list[Any]:
    """Every whole manifest of the manual, and every file of examples/, as its text."""
    found = [
        pytest.param(file.read_text(), id=f"examples/{file.name}")
        for file in sorted((ROOT / "examples").glob("*.yaml"))
    ]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        whole = [block for block in blocks if re.search(r"^kind: WebSSL", block, flags=re.MULTILINE)]
        found += [pytest.param(block, id=f"{page.name}: {at}") for at, block in enumerate(whole)]
    return found


@pytest.mark.parametrize("text", documented())
def test_every_manifest_that_is_shown_to_people_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(text)
    result = CliRunner().invoke(APP, ["validate", str(file)])
    assert result.exit_code == 0, result.output


def test_a_manifest_of_each_kind_is_shown_to_people() -> None:
    shown = "\n".join(row.values[0] for row in documented())
    assert {kind.name for kind in KINDS} <= set(re.findall(r"^kind: (\w+)", shown, flags=re.MULTILINE))


def test_a_valid_object_of_each_kind_may_stand_in_one_file(tmp_path: Path) -> None:
    result = validated(tmp_path, valid_curation(), SECRET, valid_run(), valid_evaluation())
    assert result.exit_code == 0, result.output
    assert [line.partition("some.yaml")[2] for line in result.output.splitlines()] == [
        ": WebSSLCuration text is valid: text, quality of s3://shards/{000..003}.tar into s3://scores/text,"
        " 2 ranges, 2 pods at a time",
        ":21:1: Secret is passed over: it is of another API",
        ": WebSSLRun small is valid: 10 steps of 32 samples on 1, 2 workers",
        ": WebSSLEvaluation imported is valid: knn on s3://models/dinov2-small of encoder S",
    ]


def test_one_wrong_object_among_several_is_told_and_the_others_too(tmp_path: Path) -> None:
    wrong = valid_curation()
    wrong["spec"]["engine"] = "spark"
    result = validated(tmp_path, valid_run(), wrong, valid_evaluation())
    assert result.exit_code == 2
    assert "WebSSLRun small is valid" in result.output
    assert "spec.engine \"spark\" is not allowed: it must be 'auto', 'ray' or 'job'" in result.output
    assert "WebSSLEvaluation imported is valid" in result.output
    assert "WebSSLCuration text is valid" not in result.output


@pytest.mark.parametrize("wrong", OTHER_KINDS, ids=lambda wrong: f"{wrong.valid.__name__}: {wrong.name}")
def test_every_wrong_manifest_is_refused_naming_a_field(wrong: Wrong, tmp_path: Path) -> None:
    faults = faults_of(wrong.manifest(), tmp_path)
    assert faults
    assert all(re.search(r"\| (spec|metadata)\b.*", fault) for fault in faults)
    ours = re.match(r"spec\.|metadata\.|is |by |cannot", wrong.says)
    assert ours is None or any(wrong.says in fault for fault in faults)


KNN = {"train": "s3://labelled/a.tar", "test": "labelled/b.tar"}
GOOD = {"knn": {"train": "s3://labelled/a.tar", "test": "s3://labelled/b.tar"}}


@pytest.mark.parametrize(
    ("valid", "change", "fault"),
    [
        (
            valid_curation,
            {"ranges": "2"},
            "ranges: '2' | spec.ranges \"2\" is not allowed: write a valid integer",
        ),
        (
            valid_curation,
            {"scorer": {}},
            "scorer: {} | spec.scorer is not a field: did you mean scorers?",
        ),
        (
            valid_curation,
            {"max_retries": 1},
            "max_retries: 1 | spec.max_retries is not a field: did you mean maxRetries?",
        ),
        (
            valid_curation,
            {"recipe": "webssl-dino-1b"},
            "recipe: webssl-dino-1b | spec.recipe is not a field: remove it, or use one of data, scorers",
        ),
        (valid_curation, {"output": {}}, "output: {} | spec.output.uri is missing: add it (Folder of the"),
        (
            valid_evaluation,
            {"checkpoint": {"uri": "s3://models/x", "digest": "newest"}},
            'digest: newest | spec.checkpoint.digest "newest" is not allowed: write text of the form ',
        ),
        (
            valid_evaluation,
            {"suites": [GOOD, {"name": "b", "knn": KNN}]},
            "test: labelled/b.tar | spec.suites.knn.test labelled/b.tar is not a storage address: write ",
        ),
        (
            valid_evaluation,
            {"suites": [GOOD, {"name": "b"}]},
            "- name: b | spec.suites: each suite must name exactly one of vqa, knn",
        ),
        (
            valid_evaluation,
            {"template": {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]}},
            "- name: AWS_SECRET_ACCESS_KEY | env AWS_SECRET_ACCESS_KEY looks like a credential: put it into a Secret and "
            "name that in spec.storage.secretRef",
        ),
    ],
)
def test_a_fault_names_field_value_and_mend_and_points_at_its_line(
    valid: Callable[[], dict[str, Any]], change: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    manifest = valid()
    manifest["spec"].update(change)
    assert [found[: len(fault)] for found in faults_of(manifest, tmp_path)] == [fault]


@pytest.mark.parametrize("valid", ALL)
def test_an_unknown_kind_is_told_which_kinds_there_are(
    valid: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    unknown = {**valid(), "kind": "WebSSLTrain"}
    assert faults_of(unknown, tmp_path) == [
        f'kind: WebSSLTrain | kind "WebSSLTrain" is unknown: write {NAMES} or WebSSLEvaluation'
    ]
    result = validated(tmp_path, valid_run(), unknown)
    assert result.exit_code == 2
    assert "WebSSLRun small is valid" in result.output


@pytest.mark.parametrize("valid", ALL)
@pytest.mark.parametrize("version", ["webssl.dev/v1", "v1", "webssl/v1alpha1"])
def test_an_unknown_version_is_told_which_there_is(
    valid: Callable[[], dict[str, Any]], version: str, tmp_path: Path
) -> None:
    assert faults_of({**valid(), "apiVersion": version}, tmp_path) == [
        f'apiVersion: {version} | apiVersion "{version}" is unknown: write webssl.dev/v1alpha1, '
        f"which has {NAMES} and WebSSLEvaluation"
    ]


@pytest.mark.parametrize("kind", [None, 3, ["WebSSLRun"], "websslrun", ""])
def test_a_kind_that_is_no_kinds_name_is_refused(kind: object, tmp_path: Path) -> None:
    (fault,) = faults_of({**valid_run(), "kind": kind}, tmp_path)
    assert "is unknown: write WebSSLRun, " in fault


@pytest.mark.parametrize("valid", ALL)
def test_an_object_that_forgot_its_kind_is_known_by_its_fields(
    valid: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    manifest = valid()
    kind = manifest.pop("kind")
    assert [fault.partition(" | ")[2] for fault in faults_of(manifest, tmp_path)] == [
        f"kind is missing: add `kind: {kind}`"
    ]


@pytest.mark.parametrize(
    ("manifests", "says"),
    [
        ([], f"holds no {NAMES} or WebSSLEvaluation: name a manifest of one of these kinds"),
        (
            [SECRET],
            f"holds no {NAMES} or WebSSLEvaluation, but Secret: name a manifest of one of these kinds",
        ),
    ],
)
def test_a_file_without_any_is_told_which_kinds_there_are(
    manifests: list[Any], says: str, tmp_path: Path
) -> None:
    result = validated(tmp_path, *manifests)
    assert result.exit_code != 0
    assert says in str(result.exception)


def test_a_manifest_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    result = validated(tmp_path, "WebSSLCuration")
    assert result.exit_code == 2
    assert "the manifest is not a mapping: begin with apiVersion, kind" in result.output


def _rules(model: type[ApiModel], seen: set[type[ApiModel]]) -> list[str]:
    """The messages of a type's rules and of all types below it."""
    if model in seen:
        return []
    seen.add(model)
    below = [found for field in model.model_fields.values() for found in _models(field.annotation)]
    messages = [rule.static_message() for rule in model.rules if rule.check is not None]
    return messages + [message for found in below for message in _rules(found, seen)]


def _models(annotation: Any) -> list[type[ApiModel]]:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models(argument)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_that_a_rule_names_is_one_of_the_kind(kind: Kind) -> None:
    messages = _rules(kind.model, set())
    assert len(messages) > 5
    for message in messages:
        text = kinds.in_words_of(kind.name, message)
        for named in re.findall(r"\bspec(?:\.[A-Za-z][A-Za-z0-9]*)+", text):
            assert fields.knows(tuple(named.split(".")), kind.name), text
