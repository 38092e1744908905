"""`webssl recipe`, and manifests that name a recipe."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner
from webssl_api import WebSSLRun
from webssl_api.recipe import RecipeError, load, names
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.manifest import check
from webssl_cli.manifest.positions import Document, documents
from webssl_cli.recipes.compose import compose
from webssl_cli.recipes.settings import read_setting, with_settings

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "recipes.md"
APP = make_app(with_cluster=False)
PLACE = """
  data: {source: "s3://shards/{000..003}.tar"}
  workers: {max: 2}
  checkpoint: {uri: s3://runs/small, interval: {samples: 6400}}
"""
RUN = f"""apiVersion: webssl.dev/v1alpha1
kind: WebSSLRun
metadata: {{name: mine}}
spec:
  recipe: demo
  optimizer: {{learningRate: 1e-3}}
{PLACE}"""


def webssl(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def written(text: str, folder: Path) -> Path:
    file = folder / "run.yaml"
    file.write_text(text)
    return file


def texts(text: str) -> list[str]:
    (document,) = documents(text)
    return [fault.text for fault in check.check(document).faults]


def test_the_list_names_every_recipe_with_its_length() -> None:
    lines = webssl("recipe", "list").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(names())
    assert any(line.split()[:3] == ["web-mae-1b", "488,281", "4,096"] for line in lines)


@pytest.mark.parametrize("name", names())
def test_show_prints_the_whole_recipe_as_yaml(name: str) -> None:
    result = webssl("recipe", "show", name)
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(result.output) == load(name).spec


def test_show_names_file_and_source_of_every_value() -> None:
    lines = webssl("recipe", "show", "web-dino-7b-518").output.splitlines()
    with_value = [line for line in lines if not line.split("#")[0].rstrip().endswith(":") and line[0] != "#"]
    assert all(" # " in line for line in with_value)
    (rate,) = (line for line in lines if "learningRate" in line)
    assert rate.split(" # ")[1].startswith("web-dino-7b-378: paper; 1e-5 x sqrt(2048 / 1024)")


def test_show_tells_overrides_from_the_recipe_and_defaults_from_both(tmp_path: Path) -> None:
    file = written(RUN.replace("optimizer:", "restartPolicy: {window: 1h}\n  optimizer:"), tmp_path)
    shown = webssl("recipe", "show", "demo", "-f", str(file), "--set", "model.dropPath=0.2").output
    notes = dict(re.findall(r"^ *(\w+): .*# (.*)$", shown, flags=re.MULTILINE))
    assert notes["learningRate"] == "manifest"
    assert notes["dropPath"] == "--set"
    assert notes["size"] == "demo: ours, for CPUs"
    assert notes["maxRestarts"] == "default of the API"


def test_a_manifest_is_laid_over_the_recipe_that_it_names(tmp_path: Path) -> None:
    run = check.one_run(written(RUN, tmp_path))
    assert run.spec.optimizer.learning_rate == 1e-3
    assert run.spec.optimizer.weight_decay_end == 0.2
    assert run.spec.schedule.global_batch_size == 32
    assert run.spec.recipe is None
    assert run.metadata.annotations == {"webssl.dev/recipe": "demo"}


def test_validate_takes_a_manifest_with_a_recipe(tmp_path: Path) -> None:
    result = webssl("validate", str(written(RUN, tmp_path)))
    assert result.exit_code == 0, result.output
    assert "400 steps of 32 samples on 1, 2 workers" in result.output


def test_a_fault_in_a_field_of_the_recipe_is_pointed_at_where_the_recipe_is_named(tmp_path: Path) -> None:
    text = RUN.replace("workers: {max: 2}", "workers: {min: 3, max: 3}")
    (document,) = documents(text)
    (fault,) = check.check(document).faults
    assert fault.text.startswith("spec.schedule.globalBatchSize 32 is not a multiple")
    assert text.splitlines()[fault.position.line - 1] == "  recipe: demo"


def test_a_fault_in_an_override_is_pointed_at_where_it_stands() -> None:
    text = RUN.replace("learningRate: 1e-3", "learnRate: 1e-3")
    (document,) = documents(text)
    (fault,) = check.check(document).faults
    assert fault.text == "spec.optimizer.learnRate is not a field: did you mean learningRate?"
    assert "learnRate" in text.splitlines()[fault.position.line - 1]


def test_an_unknown_recipe_in_a_manifest_is_refused_with_field_value_and_mend() -> None:
    (text,) = texts(RUN.replace("recipe: demo", "recipe: web-dino-8b"))
    assert text.startswith("spec.recipe 'web-dino-8b' is unknown: did you mean web-dino-")
    (text,) = [text for text in texts(RUN.replace("recipe: demo", "recipe: 5")) if "recipe" in text]
    assert text == "spec.recipe 5 is not allowed: write a valid string"


NEEDING = ("web-dino-7b-378", "web-dino-7b-518")


@pytest.mark.parametrize("name", NEEDING)
def test_what_a_recipe_needs_of_the_manifest_is_asked_for_everywhere_but_in_pictures(
    name: str, tmp_path: Path
) -> None:
    text = RUN.replace("recipe: demo", f"recipe: {name}").replace("workers: {max: 2}", "workers: {max: 4}")
    says = f"spec.model.startFrom.checkpoint is missing: recipe {name} needs it (the spec.checkpoint.uri of your run"
    (fault,) = texts(text)
    assert fault.startswith(says)
    file = str(written(text, tmp_path))
    refused = webssl("validate", file)
    assert refused.exit_code != 0
    assert f"run.yaml:5:3: {says}" in refused.output
    with pytest.raises(CliError, match="is missing: recipe") as caught:
        CliRunner().invoke(APP, ["recipe", "render", "-f", file], catch_exceptions=False)
    assert "-f FILE or --set PATH=VALUE" in str(caught.value)
    assert (
        webssl("recipe", "show", name)
        .output.splitlines()[-1]
        .startswith("# model.startFrom.checkpoint is missing")
    )
    assert webssl("recipe", "plot", name, str(tmp_path / "schedules.svg")).exit_code == 0
    given = ["-f", file, "--set", "model.startFrom.checkpoint=s3://runs/first"]
    rendered = webssl("recipe", "render", *given).output
    assert texts(rendered) == []
    assert yaml.safe_load(rendered)["spec"]["model"]["startFrom"] == {"checkpoint": "s3://runs/first"}
    assert "is missing" not in webssl("recipe", "show", name, *given).output


def test_null_takes_a_field_of_the_recipe_away() -> None:
    text = RUN.replace("optimizer: {learningRate: 1e-3}", "objective: {dino: null, mae: {}}")
    (document,) = documents(text)
    run = check.check(document).run
    assert run is not None
    assert run.spec.objective.kind == "mae"


def test_render_prints_a_plain_manifest_that_the_api_takes(tmp_path: Path) -> None:
    result = webssl("recipe", "render", "-f", str(written(RUN, tmp_path)))
    assert result.exit_code == 0, result.output
    manifest = yaml.safe_load(result.output)
    assert "recipe" not in manifest["spec"]
    assert list(manifest) == ["apiVersion", "kind", "metadata", "spec"]
    assert WebSSLRun.parse(manifest).spec.model.size == "tiny"


def test_what_render_prints_renders_to_itself(tmp_path: Path) -> None:
    once = webssl("recipe", "render", "-f", str(written(RUN, tmp_path))).output
    assert webssl("recipe", "render", "-f", str(written(once, tmp_path))).output == once


def test_render_passes_other_documents_through_and_fills_in_every_run(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    other = RUN.replace("name: mine", "name: other").replace("recipe: demo", "recipe: web-dino-1b")
    file = written(f"{yaml.safe_dump(secret)}---\n{RUN}---\n{other}", tmp_path)
    first, second, third = yaml.safe_load_all(webssl("recipe", "render", "-f", str(file)).output)
    assert first == secret
    assert (second["spec"]["model"]["size"], third["spec"]["model"]["size"]) == ("tiny", "1B")


def test_set_goes_over_the_manifest_and_reaches_into_lists(tmp_path: Path) -> None:
    file = str(written(RUN, tmp_path))
    settings = ["optimizer.learningRate=2e-3", "spec.schedule.stages[0].samples=6400", "model.dropPath=null"]
    options = [part for one in settings for part in ("--set", one)]
    spec = yaml.safe_load(webssl("recipe", "render", "-f", file, *options, "--name", "x").output)["spec"]
    assert spec["optimizer"]["learningRate"] == 2e-3
    assert spec["schedule"]["stages"] == [{"resolution": 56, "localResolution": 28, "samples": 6400}]
    assert "dropPath" not in spec["model"]


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ("optimizer.learnigRate=1", "spec.optimizer.learnigRate is not a field: did you mean learningRate?"),
        ("modle.size=1B", "spec.modle is not a field: did you mean model?"),
        (
            "schedule.stages[0].sample=1",
            "spec.schedule.stages[0].sample is not a field: did you mean samples?",
        ),
        ("schedule.stages[2].samples=1", "spec.schedule.stages has 1 of them, none [2]: count from [0]"),
        (
            "schedule.stages.samples=1",
            "spec.schedule.stages is a list: write spec.schedule.stages[0].samples",
        ),
        ("model[0].size=1B", "spec.model is no list: leave [0] out"),
        ("model.size", "sets nothing: write PATH=VALUE"),
        ("model..size=1B", "'' is no field's name: write a path such as"),
        ("recipe=web-dino-1b", "'recipe' is no field's name"),
        ("model.size=[", "the value is not YAML: quote it"),
        ("model.size=9B", 'spec.model.size "9B" is not allowed: it must be'),
    ],
)
def test_a_wrong_set_is_refused_with_field_value_and_mend(one: str, message: str, tmp_path: Path) -> None:
    result = webssl("recipe", "render", "-f", str(written(RUN, tmp_path)), "--set", one)
    assert isinstance(result.exception, CliError)
    assert message in str(result.exception)
    assert one.partition("=")[2] in str(result.exception)


def test_keys_of_the_users_choice_can_be_set() -> None:
    one = read_setting("workers.template.labels.team=vision")
    assert with_settings({}, [one]) == {"workers": {"template": {"labels": {"team": "vision"}}}}


def test_render_without_a_place_says_all_that_is_missing() -> None:
    result = webssl("recipe", "render", "web-dino-1b")
    assert isinstance(result.exception, CliError)
    for field in ("spec.data", "spec.workers", "spec.checkpoint"):
        assert f"{field} is missing" in str(result.exception)
    assert "-f FILE or --set PATH=VALUE" in str(result.exception)


def test_render_of_nothing_is_refused() -> None:
    assert "neither a recipe nor a file" in str(webssl("recipe", "render").exception)


def test_a_manifest_that_names_another_recipe_than_the_command_is_refused(tmp_path: Path) -> None:
    result = webssl("recipe", "render", "web-dino-1b", "-f", str(written(RUN, tmp_path)))
    assert (
        str(result.exception) == "spec.recipe is 'demo', but web-dino-1b was asked for: remove one of the two"
    )


def test_an_unknown_recipe_on_the_command_line_is_refused_with_the_nearest() -> None:
    for command in (["show", "web-dino-1c"], ["render", "web-dino-1c"], ["plot", "web-dino-1c", "x.svg"]):
        result = webssl("recipe", *command)
        assert isinstance(result.exception, RecipeError)
        assert "did you mean web-dino-1b?" in str(result.exception)


def documented() -> list[list[str]]:
    """Every `webssl` command of docs/recipes.md and of examples/recipe.yaml, as arguments."""
    blocks = re.findall(r"^```\n(.*?)^```", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL)
    example = (ROOT / "examples" / "recipe.yaml").read_text()
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line.removeprefix("#").strip() for line in example.splitlines() if line.startswith("#")]
    return [shlex.split(line.split("|")[0])[1:] for line in lines if line.startswith("webssl ")]


@pytest.mark.parametrize("arguments", documented(), ids=" ".join)
def test_every_documented_command_runs(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    result = webssl(*arguments)
    assert result.exit_code == 0, result.output or result.exception


def test_the_documented_errors_are_what_is_said() -> None:
    text = DOCS.read_text()
    for arguments in (
        ["show", "web-dino-1c"],
        ["render", "web-dino-1b", "--set", "optimizer.learnigRate=1e-4"],
    ):
        assert f"error: {webssl('recipe', *arguments).exception}\n" in text


def test_the_documented_table_is_that_of_the_recipes() -> None:
    row = r"^\| `([^`]+)`[^|]*\|[^|]*\| ([\d,]+) \| (\S+) \| (?:[\d,]+ / ([\d,]+)|[^|]*) \|$"
    rows = re.findall(row, DOCS.read_text(), re.MULTILINE)
    assert len(rows) == 6
    for name, batch, rate, steps in rows:
        spec: dict[str, Any] = load(name).spec
        samples = spec["schedule"]["stages"][0]["samples"]
        assert spec["schedule"]["globalBatchSize"] == int(batch.replace(",", ""))
        assert spec["optimizer"]["learningRate"] == float(rate)
        assert not steps or samples // spec["schedule"]["globalBatchSize"] == int(steps.replace(",", ""))


def test_a_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(CliError, match="is not a mapping"):
        compose("demo", Document([1], {}), [])
