"""ChartQA, test split (Masry et al. 2022), by relaxed accuracy (section 5.1).

Layouts: `data/test-*.parquet` of lmms-lab/ChartQA, or the original `test/test_human.json` and `test/test_augmented.json` with
`test/png/`. A number is right when it is at most 5 per cent of the reference away, a number with a per cent sign being a
hundredth of it; years are numbers as others. Any other answer must be the reference, whatever its case: grouped digits,
units, currency and numbers in words are text. Cambrian-1's script takes numbers with a per cent sign for text as well, which
only tells for the few references that carry one. Parts: human and augmented questions.
"""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import asking
from webssl_eval.benchmarks.question import Cell, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.benchmarks.rules.numbers import near, number_or_percentage
from webssl_eval.images import ref_of


class ChartqaRow(Row):
    """A published row of the Parquet files. type: human_test or augmented_test."""

    question: Text
    answer: Text
    type: str = ""
    image: Cell


class ChartqaRecord(Row):
    """A record of the original JSON files."""

    imgname: Text
    query: Text
    label: Text


def _question(row: ChartqaRow, place: Place) -> Question:
    kind = row.type.removesuffix("_test").removesuffix("_split")
    reference = Reference(id=str(place.index), answers=(row.answer,), kind=kind)
    return Question(reference, row.question, (row.image,), str(place))


def _original(row: ChartqaRecord, place: Place) -> Question:
    kind = place.url.rpartition("_")[2].removesuffix(".json")
    reference = Reference(id=f"{kind}-{place.row}", answers=(row.label,), kind=kind)
    return Question(reference, row.query, (ref_of(place.folder, f"png/{row.imgname}"),), str(place))


def is_right(reference: Reference, answer: str) -> bool:
    """Near the reference as numbers, or the same text."""
    expected = reference.answers[0]
    ours, theirs = number_or_percentage(answer), number_or_percentage(expected)
    if ours is not None and theirs is not None:
        return near(ours, theirs)
    return answer.lower() == expected.lower()


_JSON = ("test/test_human.json", "test/test_augmented.json")
BENCHMARK = Benchmark(
    name="chartqa",
    title="ChartQA",
    version=1,
    questions=2500,
    published="lmms-lab/ChartQA",
    layouts=(
        parquet_layout(("data/test-*.parquet", "test-*.parquet"), ChartqaRow, _question),
        json_layout((*_JSON, *(f"ChartQA Dataset/{path}" for path in _JSON)), ChartqaRecord, _original),
    ),
    prompt=asking("Answer the question using a single number or phrase."),
    score=mean_of(is_right),
    new_tokens=128,
    category=Category.OCR_CHART,
    column="ChartQA",
)
