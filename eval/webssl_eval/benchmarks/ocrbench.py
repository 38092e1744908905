"""OCRBench (Liu et al. 2023): 1000 questions, a point each.

Layouts: `data/test-*.parquet` of echo840/OCRBench, or the original `OCRBench.json` with `OCRBench_Images/`. A point for an answer
that contains a reference, both in lower case with line ends as spaces; handwritten formulas keep their case and lose all spaces.
Articles, units and per cent signs of the reference must be there, numbers in words stay words. The value is in per cent, as in
the paper's table; `points` is the benchmark's own score, of 1000 for all questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Annotated

from pydantic import BeforeValidator, Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category, Scored
from webssl_eval.benchmarks.prompts import SHORT, asking
from webssl_eval.benchmarks.question import Cell, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.means import by_kind, credits_of, percent
from webssl_eval.images import ref_of

FORMULAS = "Handwritten Mathematical Expression Recognition"


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Answers = Annotated[tuple[Text, ...], BeforeValidator(_several), Field(min_length=1)]


class OcrbenchRow(Row):
    """A published row. answer: accepted answers."""

    question: Text
    question_type: Text
    answer: Answers
    image: Cell


class OcrbenchRecord(Row):
    """A record of the original JSON file; its ids are those of the data sets that it draws from."""

    question: Text
    type: Text
    answers: Answers
    image_path: Text


def _question(row: OcrbenchRow, place: Place) -> Question:
    reference = Reference(id=str(place.index), answers=row.answer, kind=row.question_type)
    return Question(reference, row.question, (row.image,), str(place))


def _original(row: OcrbenchRecord, place: Place) -> Question:
    reference = Reference(id=str(place.index), answers=row.answers, kind=row.type)
    picture = ref_of(place.folder, f"OCRBench_Images/{row.image_path}")
    return Question(reference, row.question, (picture,), str(place))


def is_right(reference: Reference, answer: str) -> bool:
    """Whether a reference stands in the answer."""
    plain = _formula if reference.kind == FORMULAS else _text
    return any(plain(accepted) in plain(answer) for accepted in reference.answers)


def _text(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.replace("\n", " ").replace(" ", "")


def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
    """Share of points; points as a part."""
    earned = credits_of(references, answers, is_right)
    parts = {"points": fsum(earned.values()), **by_kind(references, earned)}
    return Scored(percent(earned.values()), earned, parts)


BENCHMARK = Benchmark(
    name="ocrbench",
    title="OCRBench",
    version=1,
    questions=1000,
    published="echo840/OCRBench",
    layouts=(
        parquet_layout(("data/test-*.parquet", "test-*.parquet"), OcrbenchRow, _question),
        json_layout(("OCRBench.json",), OcrbenchRecord, _original),
    ),
    prompt=asking(SHORT),
    score=score,
    new_tokens=512,
    category=Category.OCR_CHART,
    column="OCRBench",
)
