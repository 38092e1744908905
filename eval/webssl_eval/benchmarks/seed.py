"""SEED-Bench, image questions (Li et al. 2023).

Layouts: `data/test-*.parquet` of lmms-lab/SEED-Bench, or the original `SEED-Bench.json` with `SEED-Bench-image/`; questions about
videos (`data_type`) are left out. An answer is right when
its letter is (`rules/letters.py`).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import choosing
from webssl_eval.benchmarks.question import Cell, Picture, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import checked_letter, chosen
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.images import ref_of


class SeedRecord(Row):
    """A record of the original JSON file. data_id: name of the image, or of a video."""

    question_id: Text
    question: Text
    answer: Text
    choice_a: str
    choice_b: str
    choice_c: str
    choice_d: str
    data_type: Text
    question_type_id: str = ""
    data_id: str


class SeedRow(SeedRecord):
    """A row of the Parquet files; a video question has several frames as its image."""

    data_id: str = ""
    image: tuple[Cell, ...] = Field(min_length=1)


def _question(row: SeedRow, place: Place) -> Question | None:
    return _made(row, row.image[0], place) if row.data_type == "image" else None


def _original(row: SeedRecord, place: Place) -> Question | None:
    picture = ref_of(place.folder, f"SEED-Bench-image/{row.data_id}")
    return _made(row, picture, place) if row.data_type == "image" else None


def _records(found: Any) -> Any:
    return found["questions"]


def _made(row: SeedRecord, picture: Picture, place: Place) -> Question:
    choices = (row.choice_a, row.choice_b, row.choice_c, row.choice_d)
    answer = checked_letter(row.answer, len(choices))
    kind = f"type {row.question_type_id}" if row.question_type_id else ""
    reference = Reference(id=row.question_id, answers=(answer,), choices=choices, kind=kind)
    return Question(reference, row.question, (picture,), str(place))


def is_right(reference: Reference, answer: str) -> bool:
    """The letter of the right option."""
    return chosen(answer) == reference.answers[0].lower()


BENCHMARK = Benchmark(
    name="seed-i",
    title="SEED-I",
    version=1,
    questions=14233,
    published="lmms-lab/SEED-Bench",
    layouts=(
        parquet_layout(("data/test-*.parquet", "test-*.parquet"), SeedRow, _question),
        json_layout(("SEED-Bench.json",), SeedRecord, _original, _records),
    ),
    prompt=choosing(),
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.GENERAL,
    column="SEED_I",
)
