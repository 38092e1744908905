"""easy-VQA (PyPI `easy-vqa`): 5,000 pictures of one coloured shape each, and 48,248 questions about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from webssl_trainer.data.pack import PackItem, Progress, pack
from webssl_trainer.storage import Storage, join

from webssl_cli.examples.packages import from_pypi

Split = Literal["train", "test"]
_SHAPES = frozenset({"circle", "rectangle", "triangle"})
_SHARD = "images/{split}/000000.tar"


def fetch(cache: Path) -> Path:
    """The data folder of the package, about 3 MB. Raises CliError."""
    return from_pypi("easy-vqa==1.0", cache) / "easy_vqa" / "data"


def images(data: Path, split: Split, limit: int | None = None) -> Iterator[PackItem]:
    """The pictures of a split in the order of their numbers."""
    files = sorted((data / split / "images").glob("*.png"), key=lambda file: int(file.stem))
    for file in files[:limit]:
        yield PackItem(f"easy-vqa-{split}-{int(file.stem):05d}", file.read_bytes(), "png")


def kind_of(answer: str) -> str:
    """The type of an answer: yes/no, shape or colour."""
    if answer in {"yes", "no"}:
        return "yes/no"
    return "shape" if answer in _SHAPES else "colour"


def question_lines(data: Path, split: Split, balanced: bool = False) -> Iterator[dict[str, str]]:
    """The questions of a split as lines of a question file.

    balanced: types of answers take turns (yes/no, shape, colour, yes/no, ...) until one runs out, so that any stretch of the
    file holds as many of each; otherwise the package's order.
    """
    records = json.loads((data / split / "questions.json").read_text(encoding="utf-8"))
    lines = [
        {
            "id": f"{split}-{number:05d}",
            "image": f"{_SHARD.format(split=split)}#easy-vqa-{split}-{image:05d}.png",
            "question": question,
            "answer": answer,
            "type": kind_of(answer),
        }
        for number, (question, answer, image) in enumerate(records)
    ]
    if not balanced:
        yield from lines
        return
    by_type = [[line for line in lines if line["type"] == kind] for kind in ("yes/no", "shape", "colour")]
    for turn in zip(*by_type, strict=False):
        yield from turn


def build(
    data: Path, storage: Storage, target: str, balanced: bool = False, progress: Progress | None = None
) -> None:
    """Write `train.jsonl`, `test.jsonl` and the shards with their pictures under `target`."""
    done, total = 0, 5000
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        folder = join(target, "images", split)
        count = 4000 if split == "train" else 1000
        pack(images(data, split), storage, folder, samples_per_shard=count, total=count)
        text = "".join(f"{json.dumps(line)}\n" for line in question_lines(data, split, balanced))
        storage.put(join(target, f"{split}.jsonl"), text.encode())
        done += count
        if progress is not None:
            progress(done, total)
