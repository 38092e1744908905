"""`webssl index`, `webssl data look` and `webssl data order` on a small real data set."""

from __future__ import annotations

import io
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner
from webssl_cli.main import make_app
from webssl_trainer.data import Order, load_or_build_index
from webssl_trainer.storage import open_storage

from tests.manifests.valid import valid_run

APP = make_app(with_cluster=False)


def told(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(APP, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def shards(tmp_path: Path) -> str:
    """Three shards of ten images; one image is broken."""
    for shard in range(3):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            for at in range(shard * 10, shard * 10 + 10):
                buffer = io.BytesIO()
                Image.new("RGB", (20 + at, 30), (8 * at, 40, 90)).save(buffer, "PNG")
                for ext, data in (("png", buffer.getvalue() if at != 7 else b"nothing"), ("txt", b"words")):
                    info = tarfile.TarInfo(f"{at:03d}.{ext}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return f"{tmp_path.as_uri()}/*.tar"


def test_an_index_is_made_once_extended_later_and_verified(shards: str, tmp_path: Path) -> None:
    first = told("index", shards, "--verify")
    assert "30 images" in first
    assert "in 3 shards (3 read now, 0 known before; 0 damaged)" in first
    assert f"{tmp_path.as_uri()}/_webssl_index" in first
    (tmp_path / "new.tar").write_bytes((tmp_path / "0.tar").read_bytes())
    assert "in 4 shards (1 read now, 3 known before; 0 damaged)" in told("index", shards)
    apart = (tmp_path / "apart").as_uri()
    assert f"0 damaged): {apart}" in told("index", shards, "--out", apart)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_look_tells_counts_sizes_and_broken_images_and_draws_a_sheet(
    shards: str, tmp_path: Path, indexed: bool
) -> None:
    if indexed:
        told("index", shards)
    sheet = tmp_path / "sheet.png"
    text = told("data", "look", shards, "--images", "30", "--sheet", str(sheet))
    lines = dict(line.split("   ", 1) for line in text.splitlines() if "   " in line)
    assert lines["shards"].strip() == "3"
    assert lines["images"].strip() == "30 (and 0 samples without one)"
    assert lines["formats"].strip() == "png 30"
    assert lines["other members"].strip() == "txt 30"
    assert lines["drawn"].strip() == "30 images, 1 broken: PNG RGB 29"
    assert lines["shorter side"].strip().startswith("20, 20, 30, 30, 30 pixels")
    assert "broken: " in text
    assert "0.tar 007: " in text
    with Image.open(sheet) as image:
        assert image.size[0] > 1000


def test_a_look_at_a_filter_is_at_the_chosen_samples(shards: str, tmp_path: Path) -> None:
    table = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"key": [f"{at:03d}" for at in range(30)], "score": list(range(30))}), table)
    text = told("data", "look", shards, "--filter", table.as_uri(), "--where", "score >= 24")
    assert "6 chosen, 20.00 %" in text
    assert "drawn               6 images, 0 broken" in text


def test_the_order_printed_is_the_one_a_run_takes(shards: str) -> None:
    lines = told("data", "order", shards, "--seed", "3", "--at", "28", "--count", "4").splitlines()
    assert lines[0].split() == ["POSITION", "EPOCH", "SOURCE", "SAMPLE", "BYTES", "SHARD", "KEY"]
    rows = [line.split() for line in lines[1:]]
    index = load_or_build_index(open_storage(), shards)
    for row, position in zip(rows, range(28, 32), strict=True):
        ref = index.locate(Order(3, 30).sample_at(position))
        assert row == [
            str(position), str(position // 30), "0", str(ref.index), str(ref.length), ref.shard, ref.key,
        ]  # fmt: skip


def test_the_order_of_a_manifest_has_its_neighbours(shards: str, tmp_path: Path) -> None:
    run: dict[str, Any] = valid_run()
    run["spec"]["data"] = {"source": shards, "neighbours": 8}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(run))
    rows = [line.split() for line in told("data", "order", str(file), "--count", "24").splitlines()[1:]]
    numbers = [int(row[3]) for row in rows]
    assert [(now - before) % 30 for before, now in pairwise(numbers)].count(1) >= 21


def test_the_order_of_a_manifest_has_its_filter_its_mixture_and_its_seed(shards: str, tmp_path: Path) -> None:
    table = tmp_path / "keys.parquet"
    pq.write_table(pa.table({"key": ["003", "004"]}), table)
    run: dict[str, Any] = valid_run()
    mixed = [{"source": shards, "weight": 1.0}]
    run["spec"]["data"] = {"source": shards, "seed": 5, "filter": {"table": table.as_uri()}, "mix": mixed}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(run))
    rows = [line.split() for line in told("data", "order", str(file), "--count", "50").splitlines()[1:]]
    assert {row[6] for row in rows if row[2] == "0"} == {"003", "004"}
    assert len({row[6] for row in rows if row[2] == "1"}) > 10
    assert rows == [
        line.split()
        for line in told("data", "order", str(file), "--seed", "5", "--count", "50").splitlines()[1:]
    ]
