"""Scores and means as JSON, and as numbers by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from webssl_eval.benchmarks.averages import Averages
from webssl_eval.benchmarks.scoring import Result

PARTIAL = "_partial"
"""Ends the name of every number that is not what the paper's table has under it."""


def document(results: Iterable[Result], found: Averages) -> dict[str, Any]:
    """All that is known of the scores: what is partial has a label that says why."""
    named = {**{category.value: mean for category, mean in found.categories.items()}, "Average": found.total}
    return {
        "benchmarks": {
            item.benchmark.name: {
                "version": item.benchmark.version,
                "score": item.scored.value,
                "questions": item.questions,
                "unanswered": item.unanswered,
                "label": item.label,
                "parts": dict(item.scored.parts),
            }
            for item in results
        },
        "means": {
            name: {
                "score": mean.value,
                "benchmarks": mean.counted,
                "declared": mean.declared,
                "label": mean.label,
            }
            for name, mean in named.items()
        },
    }


def numbers(results: Iterable[Result], found: Averages) -> dict[str, float]:
    """Scores by metric: each benchmark's (`mme_p` in points, others in per cent), `category_...` and `average`.

    A number over a part of the questions or of the benchmarks has `_partial` behind its name.
    """
    table = {
        _metric(item.benchmark.name) + (PARTIAL if item.label else ""): item.scored.value for item in results
    }
    means = {f"category_{_metric(category.value)}": mean for category, mean in found.categories.items()}
    for name, mean in {**means, "average": found.total}.items():
        if mean.value is not None:
            table[name + (PARTIAL if mean.partial else "")] = mean.value
    return table


def _metric(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
