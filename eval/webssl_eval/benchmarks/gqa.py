"""GQA, balanced test-dev split (Hudson and Manning 2019).

Layouts: `testdev_balanced_instructions/testdev-*.parquet` with `testdev_balanced_images/testdev-*.parquet` of lmms-lab/GQA,
or the original `testdev_balanced_questions.json` with `images/ID.jpg`. An answer is right when it is the reference in lower
case, full stops at its end taken off. Articles, units and per cent signs count, words are not reduced to stems, and numbers in
words stay words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import PHRASE, asking
from webssl_eval.benchmarks.question import Cell, Picture, Problem, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.parquet import parquet_questions
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.images import ref_of


class GqaRow(Row):
    """A published question."""

    id: Text
    image_id: Text = Field(alias="imageId")
    question: Text
    answer: Text


class GqaImage(Row):
    """A published image."""

    id: Text
    image: Cell


_IMAGES = ("testdev_balanced_images/testdev-*.parquet",)


def _read(source: Source) -> Iterator[Question | Problem]:
    pictures: dict[str, Picture] = {}

    def keep(row: GqaImage, _place: Place) -> None:
        pictures[row.id] = row.image

    def question(row: GqaRow, place: Place) -> Question:
        if row.image_id not in pictures:
            raise ValueError(f"imageId: {row.image_id!r} is not among the files {_IMAGES[0]}; copy them too")
        return _made(row, pictures[row.image_id], place)

    yield from parquet_questions(source.storage, source.also(*_IMAGES), GqaImage, keep)
    yield from parquet_questions(source.storage, source.files, GqaRow, question)


def _original(row: GqaRow, place: Place) -> Question:
    return _made(row, ref_of(place.folder, f"images/{row.image_id}.jpg"), place)


def _made(row: GqaRow, picture: Picture, place: Place) -> Question:
    return Question(Reference(id=row.id, answers=(row.answer,)), row.question, (picture,), str(place))


def _records(found: Any) -> list[Any]:
    return [{"id": name, **record} for name, record in found.items()]


def is_right(reference: Reference, answer: str) -> bool:
    """The reference, whatever its case, with or without full stops at the end."""
    return answer.lower().rstrip(".") == reference.answers[0].lower()


BENCHMARK = Benchmark(
    name="gqa",
    title="GQA",
    version=1,
    questions=12578,
    published="lmms-lab/GQA",
    layouts=(
        Layout(("testdev_balanced_instructions/testdev-*.parquet",), _read),
        json_layout(("testdev_balanced_questions.json",), GqaRow, _original, _records),
    ),
    prompt=asking(PHRASE),
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.GENERAL,
    column="GQA",
)
