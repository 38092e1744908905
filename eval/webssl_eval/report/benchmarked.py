"""The paper's benchmarks from what the `vqa` suites left: shards merged, scored again, answers with their pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageDeniedError, StorageNotFoundError, join

from webssl_eval.benchmarks import checking
from webssl_eval.benchmarks.averages import Averages
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.predictions import Prediction, ReferenceLine, collected, kept_references, parsed
from webssl_eval.benchmarks.question import Picture, Question, Reference
from webssl_eval.benchmarks.reading.pictures import read_pictures
from webssl_eval.benchmarks.registry import BENCHMARKS, by_name
from webssl_eval.benchmarks.scoring import Result, means, score
from webssl_eval.report.account import Benchmarked, Example, Number
from webssl_eval.report.chosen import question_text, reference_text, shortened, spread
from webssl_eval.report.thumbnails import thumbnail
from webssl_eval.report.unreadable import UNREADABLE
from webssl_eval.results import Scores

FOLDER, PREDICTIONS, REFERENCES = "benchmarks", "predictions.jsonl", "references.jsonl"


def benchmarked(
    storage: Storage, scores: Mapping[str, Scores], each: int
) -> tuple[list[Benchmarked], list[Example], list[str]]:
    """Scores, examples and notes.

    A group of shards whose stored answers cannot be scored (files gone, another version of a benchmark) is left out, and a
    note says why.

    Args:
        storage: where predictions, references and pictures are.
        scores: of the checkpoint's suites, by folder.
        each: right and wrong examples a benchmark.
    """
    found: list[Benchmarked] = []
    examples: list[Example] = []
    notes: list[str] = []
    for folders in shard_groups(scores):
        names = tuple(scores[folder].report.suite for folder in folders)
        try:
            results, answers = _scored(storage, folders)
        except (UserError, StorageNotFoundError, StorageDeniedError) as error:
            notes.append(f"benchmarks of {', '.join(names)} are left out: {error}")
            continue
        found.append(summary(names, results, means(results, BENCHMARKS)))
        data = str(_benchmarks(scores[folders[0]])["data"])
        for result in results:
            examples += _examples(storage, data, result, answers[result.benchmark.name], each)
    return found, examples, notes


def shard_groups(scores: Mapping[str, Scores]) -> list[list[str]]:
    """Folders of suites that answered benchmarks; those that differ by their shard alone stand together. Pure."""
    groups: dict[str, list[str]] = {}
    for folder, item in scores.items():
        settings = _benchmarks(item)
        if settings:
            rest = {key: value for key, value in settings.items() if key != "shard"}
            whole = {**item.settings.get("vqa", {}), "benchmarks": rest}
            key = json.dumps(whole, sort_keys=True) if settings.get("shards", 1) > 1 else folder
            groups.setdefault(key, []).append(folder)
    return list(groups.values())


def summary(names: tuple[str, ...], results: Sequence[Result], found: Averages) -> Benchmarked:
    """Scores and means, each with its label. Pure."""
    scores = {
        item.benchmark.name: Number(item.scored.value, f"partial: {item.label}" if item.label else "")
        for item in results
    }
    labelled = {category.value: Number(mean.value, mean.label) for category, mean in found.categories.items()}
    return Benchmarked(names, scores, {**labelled, "Average": Number(found.total.value, found.total.label)})


def _benchmarks(scores: Scores) -> dict[str, Any]:
    found = (scores.settings.get("vqa") or {}).get("benchmarks")
    return found if isinstance(found, dict) else {}


def _scored(storage: Storage, folders: Sequence[str]) -> tuple[list[Result], dict[str, dict[str, str]]]:
    """Results over the questions that were answered: of shards that are not done there is nothing to count as wrong."""
    places = [join(folder, FOLDER) for folder in folders]
    known = by_name()
    answers = collected(
        (
            line
            for place in places
            for line in parsed(storage.read(join(place, PREDICTIONS)), join(place, PREDICTIONS), Prediction)
        ),
        known,
    )
    stored = storage.read(join(places[0], REFERENCES))
    references = kept_references(parsed(stored, join(places[0], REFERENCES), ReferenceLine), known)
    results = [
        score(known[name], _answered(references.get(name, ()), answers[name]), answers[name])
        for name in known
        if name in answers
    ]
    return results, answers


def _answered(references: Sequence[Reference], answers: Mapping[str, str]) -> list[Reference]:
    return [reference for reference in references if reference.id in answers]


def _examples(
    storage: Storage, data: str, result: Result, answers: Mapping[str, str], each: int
) -> list[Example]:
    benchmark, credits = result.benchmark, result.scored.credits
    wanted = spread({key: credits[key] for key in answers if key in credits}, each)
    try:
        questions = {question.id: question for question in checking.questions(storage, data, benchmark)}
    except UNREADABLE as error:
        why = shortened(str(error), 160)
        return [
            Example(benchmark.title, f"question {key}", "-", answers[key], credits[key], None, why)
            for key in wanted
        ]
    shown = [questions[key] for key in wanted if key in questions]
    make = partial(_example, benchmark, credits, answers)
    pictures, why = _pictures(storage, shown)
    return [make(question, pictures.get(question.pictures[0]), why) for question in shown]


def _example(
    benchmark: Benchmark,
    credits: Mapping[str, float],
    answers: Mapping[str, str],
    question: Question,
    picture: bytes | None,
    why: str,
) -> Example:
    reference = question.reference
    example = Example(
        benchmark.title,
        shortened(question_text(question.text, reference.choices)),
        shortened(reference_text(reference.answers, reference.choices)),
        shortened(answers[question.id]),
        credits[question.id],
        picture,
        grouped=bool(reference.group),
    )
    return example if picture is not None else replace(example, missing=why or "it is not readable")


def _pictures(storage: Storage, questions: Sequence[Question]) -> tuple[dict[Picture, bytes], str]:
    """A thumbnail of each question's first picture, and why some are missing."""
    wanted = {question.pictures[0]: question.place for question in questions}
    found: dict[Picture, bytes] = {}
    try:
        for picture, data in read_pictures(storage, wanted):
            found[picture] = thumbnail(data)
    except UNREADABLE as error:
        return found, shortened(str(error), 160)
    return found, ""
