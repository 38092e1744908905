"""Scores of answers. Pure functions of predictions and references."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_KINDS = 16
"""Kinds of answer with a score of their own, the most frequent first: scores become metrics, whose number must stay bounded."""

_EDGES = " \t\n\r.,;:!?\"'`()[]{}<>*_"


@dataclass(frozen=True)
class Answered:
    """A question's reference and what was answered; blind is the answer about another image."""

    id: str
    kind: str
    reference: str
    answer: str
    blind: str


def normalised(text: str) -> str:
    """The form in which answers are compared.

    Unicode compatibility form, no case, one space between words, and no quotes, brackets or punctuation at either end.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\s+", " ", plain).strip(_EDGES)


def is_right(answer: str, reference: str) -> bool:
    """Exact match after normalisation; an answer without any letter or digit is never right."""
    return bool(normalised(answer)) and normalised(answer) == normalised(reference)


def majority(answers: Mapping[str, int]) -> str:
    """The most frequent normalised answer, of counted ones; of several the first in the alphabet, so that the order does not matter."""
    counts = Counter[str]()
    for answer, count in answers.items():
        counts[normalised(answer)] += count
    return min(counts, key=lambda answer: (-counts[answer], answer))


def scores(answered: Sequence[Answered], train: Mapping[tuple[str, str], int]) -> dict[str, float]:
    """Scores in per cent.

    Args:
        answered: the held-out questions with their answers, at least one.
        train: how often each pair of kind and answer comes in training; an empty prior where there is none.

    Returns:
        accuracy; prior: what always giving the most frequent training answer scores; blind: accuracy of answers about another image.
        With kinds also accuracy_KIND, prior_KIND (by the most frequent training answer of that kind) and blind_KIND.
    """
    every = Counter[str]()
    by_kind: dict[str, Counter[str]] = {}
    for (kind, answer), count in train.items():
        every[answer] += count
        by_kind.setdefault(kind, Counter())[answer] += count
    table = _scored(answered, majority(every) if every else "")
    counts = Counter(item.kind for item in answered if item.kind)
    for kind in sorted(counts, key=lambda kind: (-counts[kind], kind))[:MOST_KINDS]:
        most = majority(by_kind[kind]) if kind in by_kind else ""
        part = _scored([item for item in answered if item.kind == kind], most)
        table.update({f"{metric}_{metric_name(kind)}": value for metric, value in part.items()})
    return table


def metric_name(kind: str) -> str:
    """A kind of answer as part of a metric's name: lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", kind.casefold()).strip("_") or "other"


def _scored(answered: Sequence[Answered], most_frequent: str) -> dict[str, float]:
    right: Mapping[str, int] = {
        "accuracy": sum(is_right(item.answer, item.reference) for item in answered),
        "prior": sum(is_right(most_frequent, item.reference) for item in answered),
        "blind": sum(is_right(item.blind, item.reference) for item in answered),
    }
    return {metric: 100 * count / len(answered) for metric, count in right.items()}
