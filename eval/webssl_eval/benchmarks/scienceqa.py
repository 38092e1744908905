"""ScienceQA, test split, questions with an image (Lu et al. 2022).

Layout: `data/test-*.parquet` of derek-thomas/ScienceQA; rows without an image are left out. Of an answer counts what follows
the last cue (`rules/letters.py`), without full stops at its end. It is right when the part before its first full stop is the
letter, or when it is the option's text, both without ASCII punctuation, in lower case.
"""

from __future__ import annotations

from string import punctuation

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import lines, options
from webssl_eval.benchmarks.question import Cell, Part, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import after_cue, letter_of
from webssl_eval.benchmarks.rules.means import mean_of

_INSTRUCTION = "Please answer directly with only the letter of the correct option and nothing else."
_NO_MARKS = str.maketrans("", "", punctuation)


class ScienceqaRow(Row):
    """A published row. answer: number of the option."""

    image: Cell | None
    question: Text
    choices: tuple[str, ...]
    answer: int
    hint: str | None = None
    subject: str | None = None


def _question(row: ScienceqaRow, place: Place) -> Question | None:
    if row.image is None:
        return None
    if not 0 <= row.answer < len(row.choices):
        raise ValueError(
            f"answer: {row.answer} is no option of {len(row.choices)}; copy the published file again"
        )
    reference = Reference(
        id=str(place.index), answers=(letter_of(row.answer),), choices=row.choices, kind=row.subject or ""
    )
    return Question(reference, row.question, (row.image,), str(place), hint=(row.hint or "").strip())


def prompt(question: Question) -> tuple[Part, ...]:
    """The hint on the question's line, then the options."""
    asked = f"{question.hint} {question.text}".strip()
    return lines(question, asked, *options(question.reference.choices), _INSTRUCTION)


def is_right(reference: Reference, answer: str) -> bool:
    """The letter before the first full stop, or the option's text."""
    letter = reference.answers[0]
    found = after_cue(answer).rstrip(".")
    if found.partition(".")[0] == letter.lower():
        return True
    option = _plain(reference.choices[ord(letter) - ord("A")])
    return bool(option) and _plain(found) == option


def _plain(text: str) -> str:
    return text.translate(_NO_MARKS).lower().strip()


BENCHMARK = Benchmark(
    name="scienceqa-i",
    title="ScienceQA-I",
    version=1,
    questions=2017,
    published="derek-thomas/ScienceQA",
    layouts=(parquet_layout(("data/test-*.parquet", "test-*.parquet"), ScienceqaRow, _question),),
    prompt=prompt,
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.KNOWLEDGE,
    column="SQA_I",
)
