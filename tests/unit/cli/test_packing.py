"""`webssl data`: folders of images into shards."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result
from webssl_cli.datasets import DATASETS, cache_folder, find
from webssl_cli.demo import data
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_trainer.storage import Storage, open_storage

APP = make_app(with_cluster=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cats/a.png", "cats/b.png", "dogs/c.png"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(file)
    return tmp_path / "images"


def pack(folder: Path, uri: str, *options: str) -> Result:
    return CliRunner().invoke(APP, ["data", "pack", str(folder), uri, *options])


def test_a_folder_becomes_shards_and_the_address_for_the_manifest_is_said(
    folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    result = pack(folder, target.as_uri(), "--samples-per-shard", "2")
    assert result.exit_code == 0, result.output
    assert f"3 images in 2 shards: {target.as_uri()}/*.tar" in result.output
    assert len(list(target.glob("*.tar"))) == 2


def test_folders_are_classes_when_asked(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert pack(folder, target.as_uri(), "--labels").exit_code == 0
    with tarfile.open(next(target.glob("*.tar"))) as tar:
        classes = [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".cls")]  # type: ignore[union-attr]
    assert classes == [b"0", b"0", b"1"]


def test_an_image_outside_every_class_is_named(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "loose.png")
    result = pack(folder, (tmp_path / "out").as_uri(), "--labels")
    assert isinstance(result.exception, CliError)
    assert "loose.png: lies in no class folder: move it" in str(result.exception)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = pack(tmp_path / "nowhere", (tmp_path / "out").as_uri())
    assert isinstance(result.exception, CliError)
    assert "nowhere: no such folder" in str(result.exception)


def test_an_address_that_is_none_is_refused(folder: Path) -> None:
    result = pack(folder, "bucket/images")
    assert isinstance(result.exception, CliError)
    assert "write s3://bucket/path, gs://bucket/path, az://container/path or file:///path" in str(
        result.exception
    )


def test_every_data_set_is_listed_with_its_package() -> None:
    result = CliRunner().invoke(APP, ["data", "examples"])
    assert all(name in result.output and item.source in result.output for name, item in DATASETS.items())


def test_an_unknown_data_set_names_the_known_ones() -> None:
    with pytest.raises(
        CliError, match="data set 'imagenet' is unknown: use one of tuxpaint, emoji, fashion-mnist, easy-vqa"
    ):
        find("imagenet")


def test_the_demo_writes_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that was broken off has no mark and is written again; one with its mark is left."""
    monkeypatch.setattr(data, "ROOT", "memory://webssl-demo")
    written: list[str] = []

    def part(name: str) -> data.Part:
        def write(storage: Storage, cache: Path, progress: data.Counted) -> None:
            written.append(name)
            if name == "second" and written.count(name) == 1:
                raise OSError("the connection is gone")

        write.__name__ = name
        return write

    monkeypatch.setattr(data, "PARTS", {name: part(name) for name in ("first", "second")})
    storage = open_storage()
    with pytest.raises(OSError, match="is gone"):
        data.fill(storage, tmp_path, lambda name: lambda done, total: None)
    assert data.fill(storage, tmp_path, lambda name: lambda done, total: None) == ["second"]
    assert written == ["first", "second", "second"]


def test_the_cache_follows_the_users_setting() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/big"}) == Path("/big/webssl/packages")
