"""`webssl data pack`: folders of images into shards that the trainer reads."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.packing import find_items, parse_size, shards

APP = make_app(with_cluster=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cats/a.png", "cats/b.v2.png", "dogs/c.png", "dogs/d.png"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(file)
    (tmp_path / "images/cats/a.txt").write_text("a cat")
    (tmp_path / "images/README").write_text("no image")
    return tmp_path / "images"


def names_of(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


def test_images_and_what_lies_beside_them_become_samples(folder: Path) -> None:
    (shard,) = shards(find_items(folder), "shard", 2**20)
    assert names_of(shard.data) == ["cats/a.png", "cats/a.txt", "cats/b_v2.png", "dogs/c.png", "dogs/d.png"]
    assert shard.samples == 4


def test_folders_are_classes_when_asked(folder: Path) -> None:
    assert [item.label for item in find_items(folder, labelled=True)] == [0, 0, 1, 1]


def test_an_image_outside_every_class_is_named(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "loose.png")
    with pytest.raises(CliError, match="lies in no class folder"):
        find_items(folder, labelled=True)


def test_the_same_images_give_the_same_bytes(folder: Path) -> None:
    first, second = (list(shards(find_items(folder), "shard", 1)) for _ in range(2))
    assert first == second
    assert [shard.name for shard in first] == [f"shard-{number:06d}.tar" for number in range(4)]


def test_an_empty_folder_is_an_error_that_says_what_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="holds no images: put files ending in"):
        find_items(tmp_path)


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("64MiB", 64 * 2**20), ("2G", 2**31), ("10kb", 10240)])
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "x", "0"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(CliError, match="write it like 64MiB"):
        parse_size(text)


def test_the_command_uploads_the_shards(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    result = CliRunner().invoke(APP, ["data", "pack", str(folder), target.as_uri(), "--shard-size", "1"])
    assert result.exit_code == 0, result.output
    assert len(list(target.glob("shard-*.tar"))) == 4


def test_an_address_that_is_none_is_refused(folder: Path) -> None:
    result = CliRunner().invoke(APP, ["data", "pack", str(folder), "bucket/images"])
    assert isinstance(result.exception, CliError)
    assert "write s3://bucket/path or file:///path" in str(result.exception)
