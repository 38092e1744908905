"""Tiny sets in the layouts that the benchmarks are published in on the Hugging Face hub, with real pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.unit.eval.benchmarks.made_pictures import colour_of
from tests.unit.eval.benchmarks.published_rows import (
    Rows,
    ai2d_rows,
    chartqa_rows,
    cvbench_rows,
    docvqa_rows,
    gqa_rows,
    mathvista_rows,
    mmbench_rows,
    mme_rows,
    mmmu_rows,
    ocrbench_rows,
    realworldqa_rows,
    scienceqa_rows,
    seed_rows,
    textvqa_rows,
)


def write_parquet(path: Path, rows: Rows, rows_per_group: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=rows_per_group)


def write_shards(folder: Path, split: str, rows: Rows, shards: int = 2) -> None:
    """Shards as the hub names them."""
    size = -(-len(rows) // shards)
    for number in range(shards):
        name = f"{split}-{number:05d}-of-{shards:05d}-0123456789abcdef.parquet"
        write_parquet(folder / name, rows[number * size : (number + 1) * size])


def write_mmvp(folder: Path, count: int) -> None:
    """A table and a folder of JPEGs; `count` is made even."""
    images = folder / "MMVP Images"
    images.mkdir(parents=True, exist_ok=True)
    lines = ["lndex,Question,Options,Correct Answer"]
    for number in range(1, 2 * -(-count // 2) + 1):
        answer = "(a)" if number % 2 else "(b)"
        lines.append(
            f'{number},"Is door {(number + 1) // 2}, on the left, open?",(a) Open (b) Closed,{answer}'
        )
        Image.new("RGB", (6, 6), colour_of(number)).save(images / f"{number}.jpg", quality=100, subsampling=0)
    (folder / "Questions.csv").write_text("\n".join(lines) + "\n")


def _gqa(folder: Path, count: int) -> None:
    questions, images = gqa_rows(count)
    write_shards(folder / "testdev_balanced_instructions", "testdev", questions, 1)
    write_shards(folder / "testdev_balanced_images", "testdev", images, 1)


def _shards(split: str, rows: Callable[[int], Rows], below: str = "data") -> Callable[[Path, int], None]:
    return lambda folder, count: write_shards(folder / below, split, rows(count))


WRITERS: Mapping[str, Callable[[Path, int], None]] = {
    "mme-p": _shards("test", mme_rows),
    "mmbench": _shards("dev", mmbench_rows),
    "seed-i": _shards("test", seed_rows),
    "gqa": _gqa,
    "scienceqa-i": _shards("test", scienceqa_rows),
    "mmmu-v": _shards("validation", mmmu_rows),
    "mathvista": _shards("testmini", mathvista_rows),
    "ai2d": _shards("test", ai2d_rows),
    "chartqa": _shards("test", chartqa_rows),
    "ocrbench": _shards("test", ocrbench_rows),
    "textvqa": _shards("validation", textvqa_rows),
    "docvqa": _shards("validation", docvqa_rows, "DocVQA"),
    "mmvp": write_mmvp,
    "realworldqa": _shards("test", realworldqa_rows),
    "cvbench-2d": lambda folder, count: write_parquet(
        folder / "test_2d.parquet", cvbench_rows("2D", ("ADE20K", "COCO"), count)
    ),
    "cvbench-3d": lambda folder, count: write_parquet(
        folder / "test_3d.parquet", cvbench_rows("3D", ("Omni3D",), count)
    ),
}
"""Writes a benchmark's files with about `count` questions into its folder."""


def write_all(root: Path, count: int) -> None:
    """Every benchmark below one folder."""
    for name, writer in WRITERS.items():
        writer(root / name, count)
