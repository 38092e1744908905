"""Question sets with pictures: a training split as a question file with shards, and a test split as a published benchmark.

Below the target lie `train.jsonl`, `test.jsonl`, `images/train/*.tar` and `benchmarks/NAME/` in the file layout that the benchmark
is published in, so that the `vqa` suite takes the first two and `webssl eval data check` the last one.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from PIL import Image
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.question import Question, Reference
from webssl_eval.images import ImageRef
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import Storage, join

TEST_SHARE = 0.4
"""Of the sources: these sets are small, and a score over few questions says little."""

Progress = Callable[[int, int], None]
SourceT = TypeVar("SourceT")


@dataclass(frozen=True)
class Asked:
    """A question. answers: the accepted ones, the first for training. kind: subtask of the benchmark."""

    question: str
    answers: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Shown:
    """A picture and what is asked about it. key: unlike all others, good as a file's name. more: what it was made of."""

    key: str
    picture: Image.Image
    asked: tuple[Asked, ...]
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """How a test split is published.

    Attributes:
        name: of the benchmark's folder.
        instruction: what the benchmark's prompt says behind a question; training questions say it as well.
        folder: of the pictures, below the benchmark's folder.
        files: the further files, name and bytes, of pictures with their questions.
    """

    name: str
    instruction: str
    folder: str
    files: Callable[[Sequence[Shown]], Iterable[tuple[str, bytes]]]


def instruction_of(benchmark: Benchmark) -> str:
    """What a benchmark's prompt says below a question."""
    probe = Question(Reference(id="0", answers=("0",)), "?", (ImageRef("file:///0.png"),), "")
    return str(benchmark.prompt(probe)[-1])


def split_of(sources: Sequence[SourceT], seed: int) -> tuple[list[SourceT], list[SourceT]]:
    """Sources for training and for the test, drawn without a look at them."""
    mixed = list(sources)
    random.Random(seed).shuffle(mixed)
    count = round(TEST_SHARE * len(mixed))
    return mixed[count:], mixed[:count]


def write(
    train: Iterable[Shown],
    test: Iterable[Shown],
    published: Published,
    storage: Storage,
    target: str,
    progress: Progress,
    total: int,
) -> None:
    """Write both splits under `target`; `total` pictures in all."""
    lines: list[dict[str, str]] = []
    done = 0

    def packed() -> Iterator[PackItem]:
        nonlocal done
        for shown in train:
            lines.extend(
                question_lines(shown, f"images/train/000000.tar#{shown.key}.png", published.instruction)
            )
            yield PackItem(shown.key, png(shown.picture), "png")
            done += 1
            progress(done, total)

    pack(packed(), storage, join(target, "images", "train"), samples_per_shard=total, total=total)
    storage.put(join(target, "train.jsonl"), json_lines(lines))
    folder = join(target, "benchmarks", published.name)
    kept: list[Shown] = []
    held_out: list[dict[str, str]] = []
    for shown in test:
        name = f"{published.folder}/{shown.key}.png"
        storage.put(join(folder, name), png(shown.picture))
        held_out += question_lines(shown, f"benchmarks/{published.name}/{name}", published.instruction)
        kept.append(shown)
        done += 1
        progress(done, total)
    for name, data in published.files(kept):
        storage.put(join(folder, name), data)
    storage.put(join(target, "test.jsonl"), json_lines(held_out))


def question_lines(shown: Shown, image: str, instruction: str) -> Iterator[dict[str, str]]:
    """Lines of a question file; each question with the instruction below it, as the benchmark asks."""
    for number, asked in enumerate(shown.asked):
        yield {
            "id": f"{shown.key}-{number}",
            "image": image,
            "question": f"{asked.question}\n{instruction}",
            "answer": asked.answers[0],
            "type": asked.kind,
        }


def png(picture: Image.Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def json_bytes(found: object) -> bytes:
    """Indented JSON."""
    return json.dumps(found, indent=1, ensure_ascii=False).encode()


def json_lines(lines: Iterable[Mapping[str, str]]) -> bytes:
    """One JSON object a line."""
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
