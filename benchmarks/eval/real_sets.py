"""The data of the real runs: easy-VQA, and the charts, documents and words of `webssl data example`, as files below one folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from webssl_cli.datasets import cache_folder, find
from webssl_trainer.storage import Storage

SHAPES = "shapes"
PAGES = "pages"
PARTS = {"charts": "chartqa", "documents": "docvqa", "words": "ocrbench"}
"""The sets that `pages` is made of, and the benchmark that each is laid out as."""


def make_sets(storage: Storage, folder: Path) -> None:
    """Write what is missing: `shapes` and `pages`, each with train.jsonl, test.jsonl, and `images/` to train an encoder on."""
    for name, example in ((SHAPES, "easy-vqa"), *((part, part) for part in PARTS)):
        done = folder / name / "done"
        if not done.exists():
            shutil.rmtree(folder / name, ignore_errors=True)
            dataset = find(example)
            dataset.build(dataset.fetch(cache_folder()), storage, (folder / name).as_uri(), lambda *_: None)
            done.touch()
    if not (folder / PAGES / "done").exists():
        shutil.rmtree(folder / PAGES, ignore_errors=True)
        _join(folder)
        (folder / PAGES / "done").touch()


def training_images(folder: Path, name: str) -> str:
    """Address of the shards that an encoder learns from."""
    return f"{(folder / name).as_uri()}/images/{'train/' if name == SHAPES else ''}*.tar"


def _join(folder: Path) -> None:
    """The parts as one set; their questions take turns, so that any stretch of a file holds as many of each."""
    pages = folder / PAGES
    (pages / "images").mkdir(parents=True)
    for part, benchmark in PARTS.items():
        shutil.copy(folder / part / "images" / "train" / "000000.tar", pages / "images" / f"{part}.tar")
        shutil.copytree(folder / part / "benchmarks" / benchmark, pages / "benchmarks" / benchmark)
    for split in ("train", "test"):
        lines = [list(_lines(folder, part, split)) for part in PARTS]
        turns = (line for turn in zip_longest(*lines) for line in turn if line is not None)
        (pages / f"{split}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in turns))


def _lines(folder: Path, part: str, split: str) -> Iterator[dict[str, str]]:
    """Questions of a part, named by it; the type is the part, so that each is scored apart as well."""
    for text in (folder / part / f"{split}.jsonl").read_text().splitlines():
        line = json.loads(text)
        image = line["image"].replace("images/train/000000.tar", f"images/{part}.tar")
        yield {**line, "id": f"{part}-{line['id']}", "image": image, "type": part}
