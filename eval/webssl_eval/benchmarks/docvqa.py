"""DocVQA, validation split (Mathew et al. 2021), by ANLS (`rules/edit_distance.py`), the best over the references.

Layouts: `DocVQA/validation-*.parquet` of lmms-lab/DocVQA, or the original `val_v1.0*.json` (later `val_v1.0_withQT.json`)
with its `documents/` folder. The references of the test split are kept by its server, so that split can not be scored here.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import SHORT, asking
from webssl_eval.benchmarks.question import Cell, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.edit_distance import likeness
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.images import ref_of


class DocvqaRow(Row):
    """A published row of the Parquet files."""

    question_id: Text = Field(alias="questionId")
    question: Text
    answers: tuple[Text, ...] = Field(min_length=1)
    image: Cell


class DocvqaRecord(Row):
    """A record of the original JSON file. image: path beside the file."""

    question_id: Text = Field(alias="questionId")
    question: Text
    answers: tuple[Text, ...] = Field(min_length=1)
    image: Text


def _question(row: DocvqaRow, place: Place) -> Question:
    reference = Reference(id=row.question_id, answers=row.answers)
    return Question(reference, row.question, (row.image,), str(place))


def _original(row: DocvqaRecord, place: Place) -> Question:
    reference = Reference(id=row.question_id, answers=row.answers)
    return Question(reference, row.question, (ref_of(place.folder, row.image),), str(place))


def _data(found: Any) -> Any:
    return found["data"]


def credit(reference: Reference, answer: str) -> float:
    """The likeness to the nearest reference; an empty answer earns nothing."""
    return max(likeness(answer, accepted) for accepted in reference.answers) if answer else 0.0


_PARQUET = ("DocVQA/validation-*.parquet", "data/validation-*.parquet", "validation-*.parquet")
BENCHMARK = Benchmark(
    name="docvqa",
    title="DocVQA",
    version=1,
    questions=5349,
    published="lmms-lab/DocVQA",
    layouts=(
        parquet_layout(_PARQUET, DocvqaRow, _question),
        json_layout(("val_v1.0*.json", "val/val_v1.0*.json"), DocvqaRecord, _original, _data),
    ),
    prompt=asking(SHORT),
    score=mean_of(credit),
    new_tokens=128,
    category=Category.OCR_CHART,
    column="DocVQA",
)
