"""MMVP (Tong et al. 2024): 150 pairs of images that CLIP takes for alike.

Layout: `Questions.csv` with `MMVP Images/N.jpg` of MMVP/MMVP; questions 1 and 2 are the first pair. An answer is right when
what follows the last cue (`rules/letters.py`) is the letter and nothing else, or the option's text. The score is the share of
pairs both of whose questions are right; `questions` is that of single ones. The references are used as published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category, Scored
from webssl_eval.benchmarks.mme import unpaired
from webssl_eval.benchmarks.prompts import choosing
from webssl_eval.benchmarks.question import Problem, Question, Reference
from webssl_eval.benchmarks.reading.delimited import text_layout
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import bare, checked_letter
from webssl_eval.benchmarks.rules.means import credits_of, percent, whole_groups
from webssl_eval.images import ref_of

_OPTION = re.compile(r"\s*\([a-z]\)\s*")


class MmvpRow(Row):
    """A published row. options: `(a) Open (b) Closed`. answer: `(a)`."""

    index: int = Field(alias="Index")
    question: Text = Field(alias="Question")
    options: Text = Field(alias="Options")
    answer: Text = Field(alias="Correct Answer")


def _question(row: MmvpRow, place: Place) -> Question:
    choices = tuple(text for text in _OPTION.split(row.options) if text)
    if len(choices) != 2:
        raise ValueError(
            f"Options: {row.options!r} are not two, as in (a) Open (b) Closed; copy the published file again"
        )
    reference = Reference(
        id=str(row.index),
        answers=(checked_letter(row.answer, 2),),
        choices=choices,
        group=f"pair {(row.index + 1) // 2}",
    )
    picture = ref_of(place.folder, f"MMVP Images/{row.index}.jpg")
    return Question(reference, row.question, (picture,), str(place))


def _read(source: Source) -> Iterator[Question | Problem]:
    found = list(_TABLE.read(source))
    yield from found
    yield from unpaired(item for item in found if isinstance(item, Question))


# Some copies spell the first column with an l.
_TABLE = text_layout(("Questions.csv",), MmvpRow, _question, spellings={"lndex": "Index"})


def is_right(reference: Reference, answer: str) -> bool:
    """The letter alone, or the option's text."""
    letter = reference.answers[0]
    return bare(answer) in {letter.lower(), reference.choices[ord(letter) - ord("A")].lower()}


def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
    """Share of pairs that are right; a question's credit is its own."""
    earned = credits_of(references, answers, is_right)
    pairs = whole_groups(references, earned)
    return Scored(percent(pairs.values()), earned, {"questions": percent(earned.values())})


BENCHMARK = Benchmark(
    name="mmvp",
    title="MMVP",
    version=1,
    questions=300,
    published="MMVP/MMVP",
    layouts=(Layout(("Questions.csv",), _read),),
    prompt=choosing(),
    score=score,
    new_tokens=512,
    category=Category.VISION_CENTRIC,
    column="MMVP",
)
