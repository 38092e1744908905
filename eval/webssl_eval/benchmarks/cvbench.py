"""CV-Bench (Tong et al. 2024, Cambrian-1): what its 2D and 3D parts share.

Layout: `test_2d.parquet` and `test_3d.parquet` of nyu-visionx/CV-Bench. The published `prompt` holds question and options;
`answer` is `(A)`. An answer is right when its letter is (`rules/letters.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum

from webssl_eval.benchmarks.benchmark import Score, Scored
from webssl_eval.benchmarks.prompts import LETTER, asking
from webssl_eval.benchmarks.question import Cell, Question, Reference
from webssl_eval.benchmarks.reading.layouts import Layout
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import checked_letter, chosen
from webssl_eval.benchmarks.rules.means import by_kind, credits_of

prompt = asking(LETTER)


class CvbenchRow(Row):
    """A published row. type: 2D or 3D. source: the data set of its image."""

    idx: Text
    type: Text
    prompt: Text
    choices: tuple[str, ...]
    answer: Text
    source: Text
    image: Cell


def layout(part: str, sources: Sequence[str]) -> Layout:
    """The layout of the part `2D` or `3D`, whose images come from `sources`; rows of the other part are left out."""

    def question(row: CvbenchRow, place: Place) -> Question | None:
        if row.type != part:
            return None
        if row.source not in sources:
            raise ValueError(
                f"source: {row.source!r} is none of {', '.join(sources)}; copy the published file again"
            )
        answer = checked_letter(row.answer, len(row.choices))
        reference = Reference(id=row.idx, answers=(answer,), choices=row.choices, kind=row.source)
        return Question(reference, row.prompt, (row.image,), str(place))

    name = f"test_{part.lower()}.parquet"
    return parquet_layout((name, f"data/{name}"), CvbenchRow, question)


def is_right(reference: Reference, answer: str) -> bool:
    """The letter of the right option."""
    return chosen(answer) == reference.answers[0].lower()


def mean_over_sources(sources: Sequence[str]) -> Score:
    """The mean of the accuracies on each source; sources without a question are said to be absent."""

    def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
        earned = credits_of(references, answers, is_right)
        parts = by_kind(references, earned)
        absent = tuple(source for source in sources if source not in parts)
        return Scored(fsum(parts.values()) / len(parts), earned, parts, absent)

    return score
