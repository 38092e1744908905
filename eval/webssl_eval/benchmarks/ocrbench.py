"""OCRBench (Liu et al. 2023): 1000 questions, a point each.

Layout: `data/test-*.parquet` of echo840/OCRBench. A point for an answer that contains a reference, both in lower case with
line ends as spaces; handwritten formulas keep their case and lose all spaces. The value is in per cent, as in the paper's
table; `points` is the benchmark's own score, of 1000 for all questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum

from pydantic import field_validator

from webssl_eval.benchmarks.benchmark import Benchmark, Category, Scored
from webssl_eval.benchmarks.prompts import SHORT, asking
from webssl_eval.benchmarks.question import Cell, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.means import by_kind, credits_of, percent

FORMULAS = "Handwritten Mathematical Expression Recognition"


class OcrbenchRow(Row):
    """A published row. answer: accepted answers."""

    question: Text
    question_type: Text
    answer: tuple[Text, ...]
    image: Cell

    @field_validator("answer", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


def _question(row: OcrbenchRow, place: Place) -> Question:
    reference = Reference(id=str(place.index), answers=row.answer, kind=row.question_type)
    return Question(reference, row.question, (row.image,), str(place))


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
    layouts=(parquet_layout(("data/test-*.parquet", "test-*.parquet"), OcrbenchRow, _question),),
    prompt=asking(SHORT),
    score=score,
    new_tokens=512,
    category=Category.OCR_CHART,
    column="OCRBench",
)
