"""MMMU, validation split (Yue et al. 2023).

Layouts: `data/validation-*.parquet` of lmms-lab/MMMU, or one folder a subject as MMMU/MMMU publishes them. Asked as Cambrian-1
does: the first picture, marks such as `<image 1>` taken out of question and options. Multiple choice is right by letter
(`rules/letters.py`). Open answers: what follows the last cue, without full stops at its end, is right when it is a reference
in lower case, or a number at most 5 per cent of the reference away. A reference that is a written list names several.
Numbers in words, units, currency, grouped digits and per cent signs are text. Cambrian-1's script takes the 5 per cent of the
answer instead, which differs at the margin only.
"""

from __future__ import annotations

import ast
import re

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import LETTER, PHRASE, lines, options
from webssl_eval.benchmarks.question import Cell, Part, Question, Reference
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import after_cue, checked_letter, chosen
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.benchmarks.rules.numbers import near, number

_MARK = re.compile(r"<image \d+>")


class MmmuRow(Row):
    """A published row. options: a list as Python writes it, empty for open questions."""

    id: Text
    question: Text
    options: str
    answer: Text
    question_type: Text
    image_1: Cell


def _question(row: MmmuRow, place: Place) -> Question:
    choices = _written_list(row.options, "options")
    if row.question_type == "multiple-choice":
        answers: tuple[str, ...] = (checked_letter(row.answer, len(choices)),)
    else:
        answers, choices = _open_answers(row.answer), ()
    # validation_Art_1, validation_Art_Theory_1: the subject stands between
    subject = " ".join(row.id.split("_")[1:-1])
    reference = Reference(id=row.id, answers=answers, choices=choices, kind=subject)
    return Question(reference, row.question, (row.image_1,), str(place))


def _open_answers(text: str) -> tuple[str, ...]:
    """The answers of an open question: those of a written list, or the text itself, which may open with a bracket too."""
    if text.startswith("["):
        try:
            return _written_list(text, "answer") or (text,)
        except ValueError:
            return (text,)
    return (text,)


def _written_list(text: str, field: str) -> tuple[str, ...]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{field}: {text[:60]!r} is no list; copy the published file again") from error
    if not isinstance(found, list):
        raise ValueError(f"{field}: {text[:60]!r} is no list; copy the published file again")
    return tuple(str(item) for item in found)


def prompt(question: Question) -> tuple[Part, ...]:
    """Without marks of pictures; open questions are asked for a word or phrase."""
    choices = question.reference.choices
    asked = [f"{question.text} Options:", *options(choices), LETTER] if choices else [question.text, PHRASE]
    return lines(question, *(_MARK.sub("", line).strip() for line in asked))


def is_right(reference: Reference, answer: str) -> bool:
    """By letter with options; else by text or number."""
    if reference.choices:
        return chosen(answer) == reference.answers[0].lower()
    found = after_cue(answer).rstrip(".")
    return any(_same(found, accepted.lower()) for accepted in reference.answers)


def _same(answer: str, reference: str) -> bool:
    ours, theirs = number(answer), number(reference)
    return answer == reference or (ours is not None and theirs is not None and near(ours, theirs))


_FILES = ("data/validation-*.parquet", "validation-*.parquet")
BENCHMARK = Benchmark(
    name="mmmu-v",
    title="MMMU-V",
    version=1,
    questions=900,
    published="lmms-lab/MMMU",
    layouts=(
        parquet_layout(_FILES, MmmuRow, _question),
        parquet_layout(("*/validation-*.parquet",), MmmuRow, _question),
    ),
    prompt=prompt,
    score=mean_of(is_right),
    new_tokens=512,
    category=Category.KNOWLEDGE,
    column="MMMU_V",
)
