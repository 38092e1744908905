"""`webssl curate`: shards on disk to a table, its thresholds, and a picture of what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_trainer.data.pack import folder_files, folder_items, pack
from webssl_trainer.storage import open_storage

RUN = ["--engine", "threads", "--light-share", "0.5", "--heavy-share", "0.25", "--max-bad-share", "1"]


def curate(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(make_app(with_cluster=False), ["curate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four pictures: a page, a line, and two without text; as shards."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, lines in enumerate((6, 1, 0, 0)):
        image = Image.new("RGB", (224, 200), ("white", "white", "teal", "orange")[number])
        for line in range(lines):
            ImageDraw.Draw(image).text((10, 10 + 28 * line), f"words {line} here", fill="black", font_size=18)
        image.save(folder / f"{number}.png")
    base = f"file://{tmp_path_factory.mktemp('shards')}"
    pack(folder_items(folder, files=folder_files(folder)), open_storage(), base, 2)
    return base


@pytest.fixture(scope="module")
def table(data: str) -> str:
    curate("run", f"{data}/*.tar", "--out", f"{data}/scores", *RUN)
    return f"{data}/scores"


def test_a_pass_prints_the_address_of_its_table_and_what_it_found(data: str) -> None:
    said = curate("run", f"{data}/*.tar", "--out", f"{data}/again", *RUN)
    assert f"table: {data}/again/tables/" in said
    assert "text_class       heavy 1 (25.00 %), light 1 (25.00 %), none 2 (50.00 %)" in said


def test_a_table_is_shown_by_its_own_folder_or_that_of_its_pass(table: str) -> None:
    said = curate("show", table)
    assert curate("show", said.splitlines()[0].removeprefix("table: ")) == said
    assert "rows             4 in 1 files" in said


def test_other_shares_are_tried_and_then_written_to_a_new_table(table: str) -> None:
    before = curate("show", table)
    assert "keeps 25.00 %" in curate("calibrate", table, "--light-share", "0.3", "--dry-run")
    assert curate("show", table) == before
    said = curate(
        "calibrate", before.splitlines()[0].removeprefix("table: "), "--light", "999", "--heavy", "1"
    )
    assert "none 4 (100.00 %)" in said
    assert said.splitlines()[0] != before.splitlines()[0]


def test_a_manifest_says_all_that_options_say(data: str, tmp_path: Path) -> None:
    manifest = tmp_path / "curation.yaml"
    manifest.write_text(
        "apiVersion: webssl.dev/v1alpha1\nkind: WebSSLCuration\nmetadata: {name: score}\n"
        f"spec: {{data: {{source: '{data}/*.tar'}}, scorers: {{quality: {{}}}}, output: {{uri: '{data}/sizes'}}}}\n"
    )
    assert "scorers          quality" in curate("run", str(manifest), "--engine", "threads")


def test_kept_and_dropped_images_are_drawn(data: str, tmp_path: Path) -> None:
    curate("run", f"{data}/*.tar", "--out", f"{data}/look", *RUN)
    sheet = tmp_path / "sheet.png"
    said = curate("look", f"{data}/look", "--where", "text_class = heavy", "--sheet", str(sheet))
    assert said.startswith("1 of 4 kept, 25.00 %")
    with Image.open(sheet) as image:
        assert image.height > 2 * 128
    assert curate("look", f"{data}/look", "--where", "width > 1", "--sheet", str(sheet)).startswith(
        "4 of 4 kept"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "file:///nowhere/*.tar"], "--out is missing"),
        (
            ["run", "file:///nowhere/*.tar", "--out", "file:///x", "--scorers", "txt"],
            "scorer 'txt' is unknown",
        ),
        (["run", "file:///nowhere/*.tar", "--out", "file:///x", "--scorers", ""], "spec.scorers is empty"),
        (["run", "file:///nowhere", "--out", "file:///x"], "names no shards"),
        (
            ["run", "file:///nowhere/*.tar", "--out", "file:///x", "--engine", "spark"],
            "engine 'spark' is unknown",
        ),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file: name an existing manifest"),
    ],
)
def test_wrong_arguments_are_refused_with_a_mend(arguments: list[str], says: str) -> None:
    with pytest.raises(CliError, match=says):
        curate(*arguments)
