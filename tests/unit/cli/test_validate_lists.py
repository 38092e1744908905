"""Lists in manifests: each item is looked at as a document of its own, and is named by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result
from webssl_api.curation import WebSSLCuration
from webssl_api.kinds import KINDS
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.manifest import check

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run

APP = make_app(with_cluster=False)
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
OURS = "webssl.dev/v1alpha1"
VALID = {"WebSSLRun": valid_run, "WebSSLCuration": valid_curation, "WebSSLEvaluation": valid_evaluation}


def a_list(*items: Any, kind: str = "List", version: str = "v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": ""}, "items": list(items)}


def wrong_run() -> dict[str, Any]:
    run = valid_run()
    run["spec"]["workers"] = {"min": 4, "max": 2}
    return run


def untyped(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object as the API server puts it into a typed List: without kind and version."""
    return {name: value for name, value in manifest.items() if name not in {"apiVersion", "kind"}}


def written(tmp_path: Path, *manifests: Any) -> Path:
    file = tmp_path / "runs.yaml"
    file.write_text(yaml.safe_dump_all(manifests, sort_keys=False))
    return file


def validated(file: Path) -> Result:
    return CliRunner().invoke(APP, ["validate", str(file)])


def faults_of(file: Path) -> list[str]:
    """Each fault with the text of its line, as `line | what follows line and column`."""
    lines = file.read_text().splitlines()
    faults = [fault for document in check.read(file) for fault in check.check(document).faults]
    places = [(lines[fault.position.line - 1].strip(), check.pointed(file, fault)) for fault in faults]
    return [
        f"{line} | {pointed.removeprefix(f'{file}:').split(':', 2)[2].strip()}" for line, pointed in places
    ]


def test_each_item_of_a_list_is_validated_and_named_by_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, valid_run(), a_list(valid_curation(), SECRET, wrong_run(), valid_evaluation()))
    result = validated(file)
    assert result.exit_code == 2
    line = 1 + file.read_text().splitlines().index("      min: 4")
    assert result.stderr.splitlines() == [
        f"{file}:{line}:7: document 2, items[2]: "
        "spec.workers.min 4 is above spec.workers.max 2: lower min or raise max"
    ]
    line = 1 + file.read_text().splitlines().index("  kind: Secret")
    assert [told.partition(" is ")[0] for told in result.stdout.splitlines()] == [
        f"{file}: WebSSLRun small",
        f"{file}, document 2, items[0]: WebSSLCuration text",
        f"{file}:{line}:3: document 2, items[1]: Secret",
        f"{file}, document 2, items[3]: WebSSLEvaluation imported",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_items_of_a_typed_list_need_no_kind_and_version(kind: Any, tmp_path: Path) -> None:
    valid = VALID[kind.name]
    wrong = valid()
    wrong["spec"]["extra"] = 1
    file = written(tmp_path, a_list(untyped(valid()), untyped(wrong), kind=f"{kind.name}List", version=OURS))
    assert validated(file).stdout.startswith(f"{file}, document 1, items[0]: {kind.name} ")
    (fault,) = faults_of(file)
    assert fault.startswith("extra: 1 | document 1, items[1]: spec.extra is not a field: ")


def test_an_item_of_a_list_without_type_must_say_what_it_is(tmp_path: Path) -> None:
    assert faults_of(written(tmp_path, a_list(untyped(valid_run())))) == [
        "- metadata: | document 1, items[0]: apiVersion is missing: add `apiVersion: webssl.dev/v1alpha1`",
        "- metadata: | document 1, items[0]: kind is missing: add `kind: WebSSLRun`",
    ]


def test_an_item_that_says_only_half_of_what_it_is_has_nothing_from_its_list(tmp_path: Path) -> None:
    half = {"kind": "WebSSLRun", **untyped(valid_run())}
    assert faults_of(written(tmp_path, a_list(half, kind="WebSSLRunList", version=OURS))) == [
        "- kind: WebSSLRun | document 1, items[0]: apiVersion is missing: add `apiVersion: webssl.dev/v1alpha1`"
    ]


def test_a_list_inside_a_list_is_looked_into(tmp_path: Path) -> None:
    file = written(tmp_path, a_list(valid_run(), a_list(valid_run(), wrong_run())))
    (fault,) = faults_of(file)
    assert fault.startswith("min: 4 | document 1, items[1].items[1]: spec.workers.min 4 is above")


@pytest.mark.parametrize("kind", ["ConfigMapList", "SecretList"])
def test_items_of_another_apis_list_are_passed_over_one_by_one(kind: str, tmp_path: Path) -> None:
    foreign = a_list(untyped(SECRET), kind=kind, version="v1")
    result = validated(written(tmp_path, foreign, valid_run()))
    assert result.exit_code == 0
    assert f":6:3: document 1, items[0]: {kind.removesuffix('List')} is passed over" in result.stdout


def test_an_object_of_another_api_that_is_only_called_a_list_is_passed_over(tmp_path: Path) -> None:
    called = {"apiVersion": "example.org/v1", "kind": "AllowList", "spec": {"items": [wrong_run()]}}
    result = validated(written(tmp_path, called, valid_run()))
    assert result.exit_code == 0
    assert ":2:1: AllowList is passed over: it is of another API" in result.stdout


@pytest.mark.parametrize("item", [None, "WebSSLRun", 3, [valid_run()]])
def test_an_item_that_is_no_mapping_is_refused(item: Any, tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, a_list(valid_run(), item)))
    assert fault.endswith(
        " | document 1, items[1]: the manifest is not a mapping: begin with apiVersion, kind"
    )


@pytest.mark.parametrize("items", [[], None])
def test_a_list_without_items_holds_nothing(items: Any, tmp_path: Path) -> None:
    file = written(tmp_path, {**a_list(), "items": items})
    assert check.read(file) == []
    assert "holds no WebSSLRun" in str(validated(file).exception)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"apiVersion": "v1", "kind": "List"}, "apiVersion: v1 | items is missing: add it (The objects of"),
        (
            {"apiVersion": "v1", "kind": "List", "items": {"run": 1}},
            'items: | items {"run": 1} is not a list: begin each object of the List with a dash',
        ),
        ({"kind": "List", "items": []}, "kind: List | apiVersion is missing: add `apiVersion: v1`"),
        (
            {"kind": "WebSSLRunList", "items": []},
            "kind: WebSSLRunList | apiVersion is missing: add `apiVersion: webssl.dev/v1alpha1`",
        ),
        (
            {"apiVersion": "v1", "kind": "WebSSLRunList", "items": []},
            'apiVersion: v1 | apiVersion "v1" has no WebSSLRunList: write webssl.dev/v1alpha1',
        ),
    ],
)
def test_a_list_that_is_wrong_itself_is_refused(wrong: dict[str, Any], fault: str, tmp_path: Path) -> None:
    file = written(tmp_path, wrong)
    assert [found[: len(fault)] for found in faults_of(file)] == [fault]
    result = validated(file)
    assert result.exit_code == 2
    assert fault.partition(" | ")[2] in result.stderr
    with pytest.raises(CliError) as refused:
        check.one_run(file)
    assert fault.partition(" | ")[2] in str(refused.value)


def test_empty_documents_are_counted_as_people_count_them(tmp_path: Path) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text("# nothing\n---\n# nor here\n---\n" + yaml.safe_dump(a_list(wrong_run())))
    (fault,) = faults_of(file)
    assert "document 2, items[0]: " in fault


def test_the_one_object_of_a_file_may_be_an_item_of_a_list(tmp_path: Path) -> None:
    file = written(tmp_path, SECRET, a_list(valid_curation(), valid_run()))
    assert check.one_run(file).metadata.name == "small"
    assert check.one_of(WebSSLCuration, file).metadata.name == "text"


def test_all_items_count_where_a_file_must_hold_exactly_one(tmp_path: Path) -> None:
    file = written(tmp_path, valid_run(), a_list(valid_run(), valid_run()))
    with pytest.raises(CliError, match="holds 3 WebSSLRuns: name a file with exactly one"):
        check.one_run(file)


def test_the_one_wrong_item_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"document 1, items\[1\]: spec\.workers\.min 4 is above"):
        check.one_run(written(tmp_path, a_list(SECRET, wrong_run())))


def rendered(file: Path) -> Result:
    return CliRunner().invoke(APP, ["recipe", "render", "-f", str(file)])


def test_recipes_of_items_are_filled_in_and_other_items_stay(tmp_path: Path) -> None:
    run = valid_run()
    run["spec"] = {**run["spec"], "recipe": "web-dino-1b"}
    result = rendered(written(tmp_path, a_list(SECRET, run)))
    secret, filled = yaml.safe_load_all(result.stdout)
    assert secret == SECRET
    assert filled["metadata"]["name"] == "small"
    assert "recipe" not in filled["spec"]
    assert filled["metadata"]["annotations"]["webssl.dev/recipe"] == "web-dino-1b"


def test_a_wrong_item_with_a_recipe_is_named_by_its_place(tmp_path: Path) -> None:
    run = wrong_run()
    run["spec"]["recipe"] = "web-dino-1b"
    told = str(rendered(written(tmp_path, valid_run(), a_list(SECRET, run))).exception)
    assert ": document 2, items[1]: spec.workers.min 4 is above" in told


def test_an_item_knows_the_places_of_its_own_fields_alone(tmp_path: Path) -> None:
    alone, *items = check.read(written(tmp_path, valid_run(), a_list(*(valid_run() for _ in range(12)))))
    assert [item.within for item in items] == [("items", index) for index in range(12)]
    assert all(item.positions.keys() == alone.positions.keys() for item in items)
    lines = [item.find(("kind",)).line for item in items]
    assert lines == sorted(set(lines))
