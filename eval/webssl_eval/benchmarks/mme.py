"""MME, perception part (Fu et al. 2023): pairs of yes/no questions about an image.

Layout: `data/test-*.parquet` of lmms-lab/MME. Score: 100 * (acc + acc+) summed over the ten perception subtasks, at most 2000.
acc is the share of right answers, acc+ the share of images both of whose questions are right. An answer is right when it is
the reference in lower case, full stops at its end taken off (Cambrian-1; MME's own tool looks for yes or no in the first four
characters). In means the score counts divided by 20.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from webssl_eval.benchmarks.benchmark import Benchmark, Category, Scored
from webssl_eval.benchmarks.prompts import PHRASE, asking
from webssl_eval.benchmarks.question import Cell, Picture, Problem, Question, Reference
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.parquet import parquet_questions
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.means import by_kind, credits_of, percent, whole_groups

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)


class MmeRow(Row):
    """A published row; both questions of an image have its question_id."""

    question_id: Text
    image: Cell
    question: Text
    answer: Text
    category: Text


def _question(row: MmeRow, place: Place) -> Question | None:
    if row.category not in PERCEPTION:
        return None  # cognition subtasks are no part of the perception score
    if row.answer.lower() not in {"yes", "no"}:
        raise ValueError(f"answer: {row.answer!r} is neither Yes nor No; copy the published file again")
    reference = Reference(
        id=f"{row.question_id}/{place.index}",
        answers=(row.answer,),
        group=f"{row.category}/{row.question_id}",
        kind=row.category,
    )
    return Question(reference, row.question, (row.image,), str(place))


def _read(source: Source) -> Iterator[Question | Problem]:
    found = list(parquet_questions(source.storage, source.files, MmeRow, _question))
    # Both rows of a pair carry the image; as one picture it is encoded once.
    pictures: dict[str, tuple[Picture, ...]] = {}
    for item in found:
        if isinstance(item, Question):
            yield replace(item, pictures=pictures.setdefault(item.reference.group, item.pictures))
        else:
            yield item
    yield from unpaired(item for item in found if isinstance(item, Question))


def unpaired(questions: Iterable[Question]) -> Iterator[Problem]:
    """A problem for every group that is no pair."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.reference.group, []).append(question)
    for name, members in groups.items():
        if len(members) != 2:
            text = f"{name} has {len(members)} questions, a pair has 2; copy the published file again"
            yield Problem(members[0].place, text)


def is_right(reference: Reference, answer: str) -> bool:
    """The reference, whatever its case, with or without full stops at the end."""
    return answer.lower().rstrip(".") == reference.answers[0].lower()


def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
    """Sum over subtasks of acc and acc+, in per cent each."""
    earned = credits_of(references, answers, is_right)
    acc = by_kind(references, earned)
    points = {}
    for kind in acc:
        pairs = whole_groups([reference for reference in references if reference.kind == kind], earned)
        points[kind] = acc[kind] + percent(pairs.values())
    absent = tuple(kind for kind in PERCEPTION if kind not in points)
    return Scored(fsum(points.values()), earned, points, absent)


BENCHMARK = Benchmark(
    name="mme-p",
    title="MME-P",
    version=1,
    questions=2114,
    published="lmms-lab/MME",
    layouts=(Layout(("data/test-*.parquet", "test-*.parquet"), _read),),
    prompt=asking(PHRASE),
    score=score,
    new_tokens=32,
    category=Category.GENERAL,
    column="MME_P",
    divisor=20,
)
