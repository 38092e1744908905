"""AI2D, test split (Kembhavi et al. 2016).

Layout: `data/test-*.parquet` of lmms-lab/ai2d, where `answer` is the number of the option. An answer is right when its letter
is that option's (`rules/letters.py`).
"""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import LETTER, lines, options
from webssl_eval.benchmarks.question import Cell, Part, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import chosen, letter_of
from webssl_eval.benchmarks.rules.means import mean_of


class Ai2dRow(Row):
    """A published row."""

    question: Text
    options: tuple[str, ...]
    answer: int
    image: Cell


def _question(row: Ai2dRow, place: Place) -> Question:
    if not 0 <= row.answer < len(row.options):
        raise ValueError(
            f"answer: {row.answer} is no option of {len(row.options)}; copy the published file again"
        )
    reference = Reference(id=str(place.index), answers=(letter_of(row.answer),), choices=row.options)
    return Question(reference, row.question, (row.image,), str(place))


def prompt(question: Question) -> tuple[Part, ...]:
    """Question, options, instruction."""
    return lines(question, question.text, *options(question.reference.choices), LETTER)


def is_right(reference: Reference, answer: str) -> bool:
    """The letter of the right option."""
    return chosen(answer) == reference.answers[0].lower()


BENCHMARK = Benchmark(
    name="ai2d",
    title="AI2D",
    version=1,
    questions=3088,
    published="lmms-lab/ai2d",
    layouts=(parquet_layout(("data/test-*.parquet", "test-*.parquet"), Ai2dRow, _question),),
    prompt=prompt,
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.KNOWLEDGE,
    column="AI2D",
)
