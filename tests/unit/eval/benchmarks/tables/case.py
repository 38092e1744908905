"""A tricky answer, its reference, and what it earns by the published rule, worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_eval.benchmarks.question import Reference


@dataclass(frozen=True)
class Case:
    """One row of a table. references: the accepted answers, or one for each annotator."""

    text: str
    references: tuple[str, ...]
    credit: float
    choices: tuple[str, ...] = ()
    kind: str = ""

    @property
    def reference(self) -> Reference:
        return Reference(id="q", answers=self.references, choices=self.choices, group="g", kind=self.kind)


def cases(rows: list[tuple[str, str, float]], choices: tuple[str, ...] = (), kind: str = "") -> list[Case]:
    """Rows of answer, the one reference, credit."""
    return [Case(text, (reference,), credit, choices, kind) for text, reference, credit in rows]
