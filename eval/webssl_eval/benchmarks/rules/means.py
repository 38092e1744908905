"""Means of single credits. Sums are exact to the last bit, so the order of questions does not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum

from webssl_eval.benchmarks.benchmark import Scored
from webssl_eval.benchmarks.question import Reference

Credit = Callable[[Reference, str], float]
"""What one answer earns, 0 to 1."""


def percent(credits: Iterable[float]) -> float:
    """Mean of credits in per cent; there is at least one."""
    values = list(credits)
    return 100 * fsum(values) / len(values)


def credits_of(
    references: Sequence[Reference], answers: Mapping[str, str], credit: Credit
) -> dict[str, float]:
    """What each answer earns, by id."""
    return {reference.id: float(credit(reference, answers[reference.id].strip())) for reference in references}


def mean_of(credit: Credit) -> Callable[[Sequence[Reference], Mapping[str, str]], Scored]:
    """A benchmark's score as the mean credit of its questions; the mean of each kind as its parts."""

    def score(references: Sequence[Reference], answers: Mapping[str, str]) -> Scored:
        earned = credits_of(references, answers, credit)
        return Scored(percent(earned.values()), earned, by_kind(references, earned))

    return score


def by_kind(references: Sequence[Reference], earned: Mapping[str, float]) -> dict[str, float]:
    """Mean of each kind in per cent, by name; nothing where kinds are not told apart."""
    kinds: dict[str, list[float]] = {}
    for reference in references:
        kinds.setdefault(reference.kind, []).append(earned[reference.id])
    return {kind: percent(values) for kind, values in sorted(kinds.items()) if kind}


def whole_groups(references: Sequence[Reference], earned: Mapping[str, float]) -> dict[str, bool]:
    """For each group whether all its questions earned full credit."""
    groups: dict[str, bool] = {}
    for reference in references:
        groups[reference.group] = groups.get(reference.group, True) and earned[reference.id] == 1
    return groups
