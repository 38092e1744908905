"""The chart set: about 240 real tables with questions about drawings of them; no table is in both splits."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from webssl_eval.benchmarks.chartqa import BENCHMARK
from webssl_trainer.storage import Storage

from webssl_cli.examples import fonts
from webssl_cli.examples.charts.drawing import draw, style_of
from webssl_cli.examples.charts.questions import AUGMENTED, HUMAN, questions
from webssl_cli.examples.charts.table import Table
from webssl_cli.examples.charts.tables import tables
from webssl_cli.examples.packages import from_pypi
from webssl_cli.examples.question_sets import (
    Progress,
    Published,
    Shown,
    instruction_of,
    json_bytes,
    split_of,
    write,
)

DRAWINGS = 3
"""Drawings of each training table, each in a style of its own and with questions of its own."""


def fetch(cache: Path) -> Path:
    """The cache, with the tables (0.3 MB to download) and fonts in it. Raises CliError."""
    _tables(cache)
    fonts.fetch(cache)
    return cache


def build(cache: Path, storage: Storage, target: str, progress: Progress, seed: int = 0) -> None:
    """Write the set under `target`; equal seeds write equal bytes."""
    found = list(tables(_tables(cache)))
    faces = fonts.fetch(cache)
    train, test = split_of(found, seed)
    total = DRAWINGS * len(train) + len(test)
    drawings = (shown(table, faces, seed, number) for number in range(DRAWINGS) for table in train)
    held_out = (shown(table, faces, seed, 0) for table in test)
    write(drawings, held_out, PUBLISHED, storage, target, progress, total)


def shown(table: Table, faces: Mapping[str, Path], seed: int, number: int) -> Shown:
    """Drawing `number` of a table, with questions."""
    dice = random.Random(f"{seed} {table.key} {number}")
    style = style_of(table, faces, dice)
    picture, asked = draw(table, style), questions(table, style, dice)
    return Shown(f"{table.key}-{number}", picture, asked, {"table": _as_csv(table)})


def files(test: Sequence[Shown]) -> Iterator[tuple[str, bytes]]:
    """`test_human.json`, `test_augmented.json` and the tables."""
    for kind in (HUMAN, AUGMENTED):
        records = [
            {"imgname": f"{item.key}.png", "query": asked.question, "label": asked.answers[0]}
            for item in test
            for asked in item.asked
            if asked.kind == kind
        ]
        yield f"test/test_{kind}.json", json_bytes(records)
    for item in test:
        yield f"test/tables/{item.key}.csv", item.more["table"].encode()


PUBLISHED = Published(BENCHMARK.name, instruction_of(BENCHMARK), "test/png", files)


def _tables(cache: Path) -> Path:
    return from_pypi("vega_datasets==0.9.0", cache) / "vega_datasets" / "_data"


def _as_csv(table: Table) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    if table.points:
        lines.writerow((table.over, table.unit, "group"))
        lines.writerows(table.points)
    else:
        lines.writerow((table.over, *(name for name, _ in table.series)))
        lines.writerows(zip(table.labels, *(row for _, row in table.series), strict=True))
    return text.getvalue()
