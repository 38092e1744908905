"""What is missing or malformed in a folder of benchmarks: one folder each, by the benchmark's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from webssl_trainer.storage import Storage, canonical, join

from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.question import Problem, Question
from webssl_eval.benchmarks.reading.layouts import Loaded, read_layouts, whole
from webssl_eval.benchmarks.reading.pictures import absent_files, picture_places, picture_problems


class State(StrEnum):
    """How a benchmark's data is."""

    GOOD = "good"
    OTHER_SIZE = "other size"
    MISSING = "missing"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Checked:
    """What a check found. images: distinct ones."""

    benchmark: Benchmark
    state: State
    files: int
    questions: int
    images: int
    problems: tuple[Problem, ...]


def load(storage: Storage, uri: str, benchmark: Benchmark) -> Loaded:
    """The questions and problems of a benchmark below a folder of benchmarks."""
    return read_layouts(storage, join(uri, benchmark.name), benchmark.layouts, benchmark.published)


def questions(storage: Storage, uri: str, benchmark: Benchmark) -> tuple[Question, ...]:
    """The questions of a benchmark below a folder of benchmarks, in the order of its files.

    Raises:
        UserError: its files are missing or malformed.
    """
    return whole(benchmark.name, load(storage, uri, benchmark))


def digest(uri: str, asked: Iterable[Question]) -> str:
    """SHA-256 of questions: texts, references, and where their pictures are below `uri`; a copy elsewhere has the same.

    Pixels that change behind the same places are not noticed.
    """
    root = canonical(uri).rstrip("/")
    found = hashlib.sha256()
    for question in asked:
        places = [str(picture).removeprefix(root) for picture in question.pictures]
        parts = [question.reference.model_dump_json(), question.text, question.hint, *question.words, *places]
        found.update("\0".join([*parts, ""]).encode())
    return found.hexdigest()


def check(storage: Storage, uri: str, benchmark: Benchmark, *, images: bool) -> Checked:
    """Look through a benchmark's files.

    Args:
        storage: where they are.
        uri: folder of benchmarks.
        benchmark: which one.
        images: also read and decode every image; without it only image files that do not exist are found.
    """
    loaded = load(storage, uri, benchmark)
    places = picture_places(loaded.questions)
    pictures = (
        list(picture_problems(storage, places)) if images else list(absent_files(storage, places).values())
    )
    problems = (*loaded.problems, *pictures)
    return Checked(
        benchmark,
        _state(benchmark, loaded, problems),
        len(loaded.files),
        len(loaded.questions),
        len(places),
        problems,
    )


def _state(benchmark: Benchmark, loaded: Loaded, problems: tuple[Problem, ...]) -> State:
    if not loaded.files:
        return State.MISSING
    if problems:
        return State.MALFORMED
    return State.GOOD if len(loaded.questions) == benchmark.questions else State.OTHER_SIZE
