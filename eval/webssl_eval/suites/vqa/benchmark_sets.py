"""The published benchmarks in the `vqa` suite: read and checked before anything is trained, asked afterwards.

`benchmarks/predictions.jsonl`, `benchmarks/references.jsonl` and `benchmarks/scores.json` lie beside the suite's scores;
`webssl eval score` computes the scores from the first two again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from torch import Tensor
from webssl_api.evaluation_vqa import VqaBenchmarks
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from webssl_eval.benchmarks import checking
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.predictions import Prediction, collected, parsed, reference_lines, written
from webssl_eval.benchmarks.question import Picture, Question
from webssl_eval.benchmarks.reading.pictures import picture_places, picture_problems, read_pictures
from webssl_eval.benchmarks.registry import BENCHMARKS, named
from webssl_eval.benchmarks.scoring import means, score
from webssl_eval.benchmarks.summary import document, numbers
from webssl_eval.encoders import Encoder
from webssl_eval.language_models import LanguageModel
from webssl_eval.merging.part import Part
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.vqa.forms import Chat
from webssl_eval.suites.vqa.generation import ROWS, Generation
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.visual_tokens import TokenTable, token_table

FOLDER = "benchmarks"


@dataclass(frozen=True)
class Asked:
    """A benchmark with all its questions, and those of them that are asked: all, or a shard."""

    benchmark: Benchmark
    all: tuple[Question, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answers:
    """What came of benchmarks. scores: by metric. files: by name. questions: how many were asked. images: distinct ones."""

    scores: Mapping[str, float]
    files: Mapping[str, bytes]
    questions: int
    images: int


def read_benchmarks(storage: Storage, spec: VqaBenchmarks) -> tuple[Asked, ...]:
    """The questions of the named benchmarks.

    Raises:
        UserError: an unknown name, or files that are missing or malformed; names benchmark, file and mend.
    """
    try:
        chosen = named(spec.only or ())
    except UserError as error:
        raise UserError(f"spec.evaluation.suites.vqa.benchmarks.only: {error}") from error
    asked = []
    for benchmark in chosen:
        found = checking.questions(storage, spec.data, benchmark)
        asked.append(Asked(benchmark, found, shard_of(found, spec.shard, spec.shards)))
    return tuple(asked)


def parts_of(asked: Sequence[Asked], part: Part) -> tuple[Asked, ...]:
    """The benchmarks with those questions that belong to a part."""
    return tuple(replace(item, questions=part.of(item.questions)) for item in asked)


def merged(asked: Sequence[Asked], parts: Sequence[Mapping[str, bytes]], images: int) -> Answers:
    """Scores and files of answers that several pods gave; the same as of one pod that gave all.

    Args:
        asked: the benchmarks with all questions of all parts.
        parts: the files of each part's `Answers`.
        images: distinct ones, for the record.

    Raises:
        UserError: an answer to no question, or a question without answer.
    """
    name = f"{FOLDER}/predictions.jsonl"
    lines = chain.from_iterable(parsed(files[name], name, Prediction) for files in parts)
    answers = collected(lines, {item.benchmark.name: item.benchmark for item in asked})
    texts = []
    for item in asked:
        found = answers.get(item.benchmark.name, {})
        missing = [question.id for question in item.questions if question.id not in found]
        if missing or len(found) > len(item.questions):
            raise UserError(
                f"{item.benchmark.name}: the parts answer {len(found)} of {len(item.questions)} questions; delete the "
                "suite's folder `parts` beside the checkpoint, and start again"
            )
        texts.append([found[question.id] for question in item.questions])
    return scored(asked, texts, images)


def with_benchmarks(found: Outcome, benchmarked: Answers, whole: bool) -> Outcome:
    """With the answers to benchmarks, and their scores where these are all answers."""
    more = {"benchmarkQuestions": benchmarked.questions, "benchmarkImages": benchmarked.images}
    return replace(
        found,
        scores={**found.scores, **(benchmarked.scores if whole else {})},
        details={**found.details, **more},
        files=benchmarked.files,
    )


def shard_of(questions: Sequence[Question], number: int, count: int) -> tuple[Question, ...]:
    """Shard `number` (from 0) of `count`: a run of neighbours, so that questions about one picture mostly stay together."""
    return Part(number, count).of(questions)


def digest_of(spec: VqaBenchmarks, asked: Sequence[Asked]) -> str:
    """Digest of the questions, and of the versions of prompts and scoring."""
    parts = [
        f"{item.benchmark.name} {item.benchmark.version} {checking.digest(spec.data, item.questions)}"
        for item in asked
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_pictures(asked: Sequence[Asked], place: Workplace) -> None:
    """Decode every picture once: after hours of training would be late for a broken one.

    Raises:
        UserError: a picture is missing or unreadable; names three and says how many there are.
    """
    for item in asked:
        problems = list(picture_problems(place.storage, picture_places(item.questions)))
        if problems:
            shown = "\n  ".join(map(str, problems[:3]))
            raise UserError(
                f"{item.benchmark.name}: {len(problems)} of its pictures can not be read:\n  {shown}"
            )


def ask_benchmarks(
    asked: Sequence[Asked],
    encoder: Encoder,
    projector: Projector,
    model: LanguageModel,
    tokens: int,
    place: Workplace,
    folder: Path,
) -> Answers:
    """Answers to all questions and their scores.

    Args:
        asked: the benchmarks.
        encoder: makes visual tokens of pictures, of each distinct one once.
        projector: from visual tokens to the language model.
        model: the language model, with a chat template.
        tokens: visual tokens of a picture.
        place: storage, and whom to tell.
        folder: for the visual tokens of one benchmark at a time.
    """
    generation: Generation | None = None
    chat = Chat(model)
    texts: list[list[str]] = []
    images = 0
    for item in asked:
        if not item.questions:
            texts.append([])
            continue
        name = item.benchmark.name
        places = picture_places(item.questions)
        path = folder / f"{name}.npy"
        table = token_table(
            encoder,
            read_pictures(place.storage, places),
            places,
            tokens,
            path,
            partial(place.progress, f"images of {name}"),
        )
        images += len(table)
        visual = partial(_visual, projector, model, table)
        # The size of batch that fitted one benchmark is where the next one starts.
        generation = Generation(model, visual, generation.rows if generation else ROWS)
        requests = [chat.request(item.benchmark.prompt(question)) for question in item.questions]
        texts.append(
            generation.answer(
                requests,
                item.benchmark.new_tokens,
                partial(place.progress, f"questions of {name}"),
            )
        )
        path.unlink()
    return scored(asked, texts, images)


def _visual(
    projector: Projector, model: LanguageModel, table: TokenTable[Picture], pictures: Sequence[Picture]
) -> Tensor:
    projected: Tensor = projector(table.get(pictures).to(model.device))
    return projected


def scored(asked: Sequence[Asked], texts: Sequence[Sequence[str]], images: int) -> Answers:
    """Scores and files of answers; texts: those of each benchmark, in the order of its questions. Pure.

    A shard is scored over its own questions, and its references are those of all, so that `webssl eval score` takes the predictions
    of all shards beside the references of any.
    """
    predictions = [
        Prediction(benchmark=item.benchmark.name, version=item.benchmark.version, id=question.id, text=text)
        for item, answers in zip(asked, texts, strict=True)
        for question, text in zip(item.questions, answers, strict=True)
    ]
    references = chain.from_iterable(
        reference_lines(item.benchmark, [question.reference for question in item.all]) for item in asked
    )
    results = [
        score(
            item.benchmark,
            [question.reference for question in item.questions],
            {question.id: text for question, text in zip(item.questions, answers, strict=True)},
        )
        for item, answers in zip(asked, texts, strict=True)
        if item.questions
    ]
    found = means(results, BENCHMARKS)
    table = json.dumps(document(results, found), indent=1, ensure_ascii=False).encode()
    files = {
        f"{FOLDER}/predictions.jsonl": written(predictions),
        f"{FOLDER}/references.jsonl": written(references),
        f"{FOLDER}/scores.json": table,
    }
    return Answers(numbers(results, found), files, len(predictions), images)
