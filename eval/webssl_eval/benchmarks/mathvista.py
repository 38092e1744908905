"""MathVista, testmini split (Lu et al. 2023).

Layout: `data/testmini-*.parquet` of AI4Math/MathVista. The published `query` is the question. Multiple choice is right by
letter (`rules/letters.py`). Free answers are right when they are the reference in lower case, or a number at most 5 per cent
of the reference away. Words, units, grouped digits and per cent signs are text. No language model extracts answers, so that
scores do not depend on one. Cambrian-1's script compares multiple choice answers whole, so that reasoning before the letter
costs its models points that the letter rule may give.
"""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import PHRASE, lines
from webssl_eval.benchmarks.question import Cell, Part, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import chosen, letter_of
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.benchmarks.rules.numbers import near, number

_REASON = "First show your reasoning process and then give the final answer."


class MathvistaRow(Row):
    """A published row. answer: the option's text for multiple choice."""

    pid: Text
    query: Text
    answer: Text
    question_type: Text
    choices: tuple[str, ...] | None = None
    decoded_image: Cell


def _question(row: MathvistaRow, place: Place) -> Question:
    choices: tuple[str, ...] = ()
    answer = row.answer
    if row.question_type == "multi_choice":
        choices = row.choices or ()
        texts = [choice.strip() for choice in choices]
        if answer not in texts:
            raise ValueError(f"answer: {answer!r} is none of the choices; copy the published file again")
        answer = letter_of(texts.index(answer))
    reference = Reference(id=row.pid, answers=(answer,), choices=choices, kind=row.question_type)
    return Question(reference, row.query, (row.decoded_image,), str(place))


def prompt(question: Question) -> tuple[Part, ...]:
    """The published query holds the options already."""
    return lines(question, question.text, _REASON if question.reference.choices else PHRASE)


def is_right(reference: Reference, answer: str) -> bool:
    """By letter with choices; else by text or number."""
    expected = reference.answers[0].lower()
    if reference.choices:
        return chosen(answer) == expected
    found = answer.lower()
    ours, theirs = number(found), number(expected)
    return found == expected or (ours is not None and theirs is not None and near(ours, theirs))


BENCHMARK = Benchmark(
    name="mathvista",
    title="MathVista",
    version=1,
    questions=1000,
    published="AI4Math/MathVista",
    layouts=(parquet_layout(("data/testmini-*.parquet", "testmini-*.parquet"), MathvistaRow, _question),),
    prompt=prompt,
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.KNOWLEDGE,
    column="MathVista",
)
