"""RealWorldQA (xAI 2024).

Layout: `data/test-*.parquet` of lmms-lab/RealWorldQA. The published question carries options and instruction itself. Of an
answer counts what follows the last cue (`rules/letters.py`), without full stops at its end; it is right when its first word
is the reference in lower case. So is the whole of it, for references of several words. `B. The left` is not right where B is,
since its first word is `b.`.
"""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import lines
from webssl_eval.benchmarks.question import Cell, Part, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import after_cue
from webssl_eval.benchmarks.rules.means import mean_of


class RealworldqaRow(Row):
    """A published row."""

    question: Text
    answer: Text
    image: Cell


def _question(row: RealworldqaRow, place: Place) -> Question:
    reference = Reference(id=str(place.index), answers=(row.answer,))
    return Question(reference, row.question, (row.image,), str(place))


def prompt(question: Question) -> tuple[Part, ...]:
    """The question as published."""
    return lines(question, question.text)


def is_right(reference: Reference, answer: str) -> bool:
    """The first word, or all of it."""
    found = after_cue(answer).rstrip(".")
    expected = reference.answers[0].lower().rstrip(".")
    return expected in {found, *found.split()[:1]}


BENCHMARK = Benchmark(
    name="realworldqa",
    title="RealWorldQA",
    version=1,
    questions=765,
    published="lmms-lab/RealWorldQA",
    layouts=(parquet_layout(("data/test-*.parquet", "test-*.parquet"), RealworldqaRow, _question),),
    prompt=prompt,
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.VISION_CENTRIC,
    column="RealWorldQA",
)
