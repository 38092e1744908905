"""TextVQA, validation split (Singh et al. 2019), by the VQA accuracy over ten answers.

Layouts: `data/validation-*.parquet` of lmms-lab/textvqa, or the original `TextVQA_0.5.1_val.json` with `train_images/ID.jpg`
(OCR words from `TextVQA_Rosetta_OCR_v0.2_val.json` where it is there). Answers and references pass the normaliser of EvalAI
(`rules/evalai.py`). An answer earns the mean over the ten annotators of min(1, how many of the other nine agree / 3).

Cambrian-1 quotes the data set's OCR words in the prompt, and so does this: encoders that hardly read text get over 40 per
cent in the paper's table.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum
from typing import Any

from pydantic import Field

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.prompts import PHRASE, lines
from webssl_eval.benchmarks.question import Cell, Part, Picture, Problem, Question, Reference
from webssl_eval.benchmarks.reading.json_files import json_layout
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.parquet import parquet_layout
from webssl_eval.benchmarks.reading.rows import Place, Row, Text
from webssl_eval.benchmarks.rules.evalai import normalised
from webssl_eval.benchmarks.rules.means import mean_of
from webssl_eval.images import ref_of

ANNOTATORS = 10


class TextvqaRow(Row):
    """A published row of the Parquet files."""

    question_id: Text
    question: Text
    answers: tuple[str, ...] = Field(min_length=ANNOTATORS, max_length=ANNOTATORS)
    ocr_tokens: tuple[str, ...]
    image: Cell


class TextvqaRecord(Row):
    """A record of the original JSON file."""

    question_id: Text
    question: Text
    answers: tuple[str, ...] = Field(min_length=ANNOTATORS, max_length=ANNOTATORS)
    image_id: Text


class OcrRecord(Row):
    """The OCR words of an image."""

    image_id: Text
    ocr_tokens: tuple[str, ...]


_OCR = "TextVQA_Rosetta_OCR_v0.2_val.json"


def _question(row: TextvqaRow, place: Place) -> Question:
    return _made(row, row.image, row.ocr_tokens, place)


def _made(
    row: TextvqaRow | TextvqaRecord, picture: Picture, words: tuple[str, ...], place: Place
) -> Question:
    reference = Reference(id=row.question_id, answers=row.answers)
    return Question(reference, row.question, (picture,), str(place), words=words)


def _read(source: Source) -> Iterator[Question | Problem]:
    words: dict[str, tuple[str, ...]] = {}

    def keep(row: OcrRecord, _place: Place) -> None:
        words[row.image_id] = row.ocr_tokens

    def original(row: TextvqaRecord, place: Place) -> Question:
        picture = ref_of(place.folder, f"train_images/{row.image_id}.jpg")
        return _made(row, picture, words.get(row.image_id, ()), place)

    found = source.also(_OCR)
    ocr = json_layout((_OCR,), OcrRecord, keep, _data)
    if found:
        yield from ocr.read(Source(source.storage, source.root, found, source.there))
    else:
        yield Problem(_OCR, "is missing, and the prompt quotes its words; copy the published file there")
    yield from json_layout((), TextvqaRecord, original, _data).read(source)


def _data(found: Any) -> Any:
    return found["data"]


def prompt(question: Question) -> tuple[Part, ...]:
    """With the OCR words on a line of their own."""
    return lines(
        question, question.text, f"Reference OCR tokens: {', '.join(question.words)}".rstrip(), PHRASE
    )


def credit(reference: Reference, answer: str) -> float:
    """Agreement with the annotators, each left out once."""
    found = normalised(answer)
    agree = [normalised(given) == found for given in reference.answers]
    return fsum(min(1.0, (sum(agree) - own) / 3) for own in agree) / len(agree)


BENCHMARK = Benchmark(
    name="textvqa",
    title="TextVQA",
    version=1,
    questions=5000,
    published="lmms-lab/textvqa",
    layouts=(
        parquet_layout(("data/validation-*.parquet", "validation-*.parquet"), TextvqaRow, _question),
        Layout(("TextVQA_0.5.1_val.json",), _read),
    ),
    prompt=prompt,
    score=mean_of(credit),
    new_tokens=512,
    category=Category.OCR_CHART,
    column="TextVQA",
)
