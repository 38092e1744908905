"""MMBench, English, dev split (Liu et al. 2023), by circular evaluation.

Layouts: `data/dev-*.parquet` of lmms-lab/MMBench_EN, or the TSV that OpenCompass publishes (`mmbench_dev_en*.tsv`,
`MMBench_DEV_EN*.tsv`: pictures in base64, or the index of the row that holds the picture). Every question is asked as often
as it has options, with the options turned by one each time; it counts as right when every pass is. The passes of a question
are the rows with its text and its picture. An answer is right when its letter is (`rules/letters.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category, Scored
from webssl_eval.benchmarks.prompts import choosing
from webssl_eval.benchmarks.question import Cell, Picture, Problem, Question, Reference
from webssl_eval.benchmarks.reading.delimited import text_layout
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.pictures import picture_places, read_pictures
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.letters import checked_letter, chosen
from webssl_eval.benchmarks.rules.means import by_kind, credits_of, percent, whole_groups


class MmbenchRow(Row):
    """A published row, one pass of a question. Options that a question lacks are empty, or the word nan."""

    index: Text
    question: Text
    hint: str | None = None
    answer: Text
    a: str | None = Field(alias="A")
    b: str | None = Field(alias="B")
    c: str | None = Field(default=None, alias="C")
    d: str | None = Field(default=None, alias="D")
    category: str = ""
    image: Cell


def _question(row: MmbenchRow, place: Place) -> Question:
    options = [_there(text) for text in (row.a, row.b, row.c, row.d)]
    choices = tuple(option for option in options if option)
    if options[: len(choices)] != list(choices):
        raise ValueError(
            f"A to D: an empty option stands before others in {options}; copy the published file again"
        )
    answer = checked_letter(row.answer, len(choices))
    reference = Reference(id=row.index, answers=(answer,), choices=choices, kind=row.category)
    return Question(reference, row.question, (row.image,), str(place), hint=_there(row.hint))


def _there(text: str | None) -> str:
    return "" if text is None or text == "nan" else text


def _grouped(layout: Layout) -> Layout:
    """Passes get the name of their question; that needs the pictures, since rows say nothing of each other."""

    def read(source: Source) -> Iterator[Question | Problem]:
        found = list(layout.read(source))
        places = picture_places(item for item in found if isinstance(item, Question))
        digests = {
            picture: hashlib.sha256(data).hexdigest()
            for picture, data in read_pictures(source.storage, places)
        }
        # Every pass carries the picture; as one picture it is encoded once.
        first: dict[str, Picture] = {}
        for picture, digest in digests.items():
            first.setdefault(digest, picture)
        for item in found:
            if isinstance(item, Question):
                digest = digests[item.pictures[0]]
                yield _in_group(item, digest, first[digest])
            else:
                yield item

    return Layout(layout.patterns, read)


def _in_group(question: Question, digest: str, picture: Picture) -> Question:
    group = hashlib.sha256(f"{digest}\n{question.text}".encode()).hexdigest()[:16]
    reference = question.reference.model_copy(update={"group": group})
    return replace(question, reference=reference, pictures=(picture,))


def is_right(reference: Reference, answer: str) -> bool:
    """The letter of the right option."""
    return chosen(answer) == reference.answers[0].lower()


def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
    """Share of questions all of whose passes are right; per category too, and of single passes as `passes`."""
    earned = credits_of(references, answers, is_right)
    groups = whole_groups(references, earned)
    every = {reference.id: float(groups[reference.group]) for reference in references}
    first_of = {reference.group: reference for reference in reversed(references)}
    parts = by_kind(list(first_of.values()), every)
    return Scored(percent(groups.values()), every, {"passes": percent(earned.values()), **parts})


_TSV = ("mmbench_dev_en*.tsv", "MMBench_DEV_EN*.tsv", "mmbench_dev_2*.tsv")
BENCHMARK = Benchmark(
    name="mmbench",
    title="MMBench",
    version=1,
    questions=4329,
    published="lmms-lab/MMBench_EN",
    layouts=(
        _grouped(parquet_layout(("data/dev-*.parquet", "dev-*.parquet"), MmbenchRow, _question)),
        _grouped(text_layout(_TSV, MmbenchRow, _question, delimiter="\t", pictures="image")),
    ),
    prompt=choosing(),
    score=score,
    new_tokens=512,
    category=Category.GENERAL,
    column="MMB",
)
