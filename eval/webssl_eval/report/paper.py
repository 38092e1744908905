"""The paper's rows, and which of them a checkpoint is held against. Pure but for the data file beside it.

`paper.json` holds measured numbers of arXiv 2504.01017: 27 rows of 16 benchmarks, and of seven rows the classic probes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from webssl_eval.report.account import Subject

FALLBACK_SIZE = "1B"
"""Rows of this size stand beside models of sizes that the paper does not have: the smallest with every objective."""
WEB, IMAGENET = "MC-2B", "ImageNet-1k"
_IMAGENET_WORDS = ("imagenet", "in1k", "ilsvrc")


@dataclass(frozen=True)
class PaperRow:
    """One model of the paper. scores: by our names of benchmarks, in the benchmarks' units. probes: by kind of probe."""

    name: str
    objective: str
    size: str
    data: str
    filter: str
    samples: int
    resolution: int
    average: float
    scores: Mapping[str, float]
    probes: Mapping[str, float]

    @property
    def title(self) -> str:
        """Name, data and samples, as a column's head."""
        filtered = "" if self.filter == "none" else f", {self.filter} filter"
        side = "" if self.resolution == 224 else f", {self.resolution} px"
        return f"{self.name} ({self.data}{filtered}, {self.samples / 1e9:g}B samples{side})"


@dataclass(frozen=True)
class Chosen:
    """Rows to compare with. notes: in what they are unlike the checkpoint."""

    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...]


@cache
def paper_rows() -> tuple[PaperRow, ...]:
    """All rows, in the paper's order."""
    raw = json.loads((files("webssl_eval.report") / "paper.json").read_text())
    return tuple(PaperRow(**{"probes": {}, **row}) for row in raw["rows"])


def source() -> str:
    """Where the rows are from."""
    raw = json.loads((files("webssl_eval.report") / "paper.json").read_text())
    return str(raw["source"])


def chosen_rows(subject: Subject, rows: tuple[PaperRow, ...] | None = None) -> Chosen:
    """The rows of the subject's size and data, one of each objective and filter: the nearest in samples, then resolution.

    Data counts as ImageNet where a source's address says so, and as web images otherwise; rows of filtered data are there
    for runs with a filter.
    """
    known = paper_rows() if rows is None else rows
    has = {row.size for row in known}
    size = subject.size if subject.size in has else FALLBACK_SIZE
    data = (
        IMAGENET
        if _is_imagenet(subject) and any(r.size == size and r.data == IMAGENET for r in known)
        else WEB
    )
    groups: dict[tuple[str, str], list[PaperRow]] = {}
    for row in known:
        if row.size == size and row.data == data and (subject.filtered or row.filter == "none"):
            groups.setdefault((row.objective, row.filter), []).append(row)
    nearest = tuple(min(group, key=lambda row: _distance(subject, row)) for group in groups.values())
    return Chosen(nearest, tuple(_differences(subject, size, nearest)))


def _is_imagenet(subject: Subject) -> bool:
    return any(word in source.casefold() for source in subject.sources for word in _IMAGENET_WORDS)


def _distance(subject: Subject, row: PaperRow) -> tuple[float, int]:
    return (
        abs(math.log(max(subject.samples, 1) / row.samples)),
        abs(subject.resolution - row.resolution),
    )


def _differences(subject: Subject, size: str, rows: tuple[PaperRow, ...]) -> list[str]:
    notes = []
    if size != subject.size:
        notes.append(f"the paper has no scores of size {subject.size}; beside it stand its {size} models")
    other = sorted(
        {row.samples for row in rows if abs(math.log(max(subject.samples, 1) / row.samples)) > 0.1}
    )
    if other:
        told = " and ".join(f"{samples / 1e9:g} billion" for samples in other)
        notes.append(f"the paper's models saw {told} samples, {subject.name} {subject.samples:,}")
    if rows and any(row.resolution != subject.resolution for row in rows):
        notes.append(
            f"{subject.name} ends at {subject.resolution} px, rows of the paper at 224 px unless they say otherwise"
        )
    if rows:
        notes.append(
            f"rows are those on {rows[0].data}; whether {subject.name} trained on the same images its addresses do not tell"
        )
    return notes
