"""What one benchmark is: where its files are, what the model is asked, how answers are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from webssl_eval.benchmarks.question import Part, Question, Reference
from webssl_eval.benchmarks.reading.layouts import Layout


class Category(StrEnum):
    """The four categories of the paper, in its order."""

    GENERAL = "General"
    KNOWLEDGE = "Knowledge"
    OCR_CHART = "OCR & Chart"
    VISION_CENTRIC = "Vision-Centric"


@dataclass(frozen=True)
class Scored:
    """A benchmark's score.

    Attributes:
        value: in the benchmark's own unit: per cent, or points for MME.
        credits: what each question earned by id, 0 to 1.
        parts: scores of subtasks and counts, by name.
        absent: subtasks that the score is defined over and that no question belongs to; such a score is partial.
    """

    value: float
    credits: Mapping[str, float]
    parts: Mapping[str, float] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


Score = Callable[[Sequence[Reference], Mapping[str, str]], Scored]
"""References (at least one) and the answer to each by id to the score. Pure; the order of the references does not matter."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: of its folder, in predictions, and on the command line.
        title: for people.
        version: of prompt and scoring; raised whenever equal files would be asked or scored otherwise.
        questions: how many the published split has; another number is said with every score.
        published: what to copy, as the name of a data set on the Hugging Face hub.
        layouts: the published file layouts that are read, the first that is there.
        prompt: what the language model is given, parts in order, each on a line of its own.
        score: from references and answers to the score.
        new_tokens: most tokens of an answer.
        category: where its score counts; None for benchmarks outside the paper's average.
        column: its name in the paper's table.
        divisor: what the score is divided by in means.
    """

    name: str
    title: str
    version: int
    questions: int
    published: str
    layouts: tuple[Layout, ...]
    prompt: Callable[[Question], tuple[Part, ...]]
    score: Score
    new_tokens: int
    category: Category | None = None
    column: str = ""
    divisor: float = 1.0
