"""Tables as text: CSV, and TSV with pictures in base64 as OpenCompass publishes them."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webssl_trainer.storage import Storage

from webssl_eval.benchmarks.question import Cell, Problem, Question
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.rows import Place, QuestionOf, RowT, missing_columns, questions_of

_SHORTEST_PICTURE = 64
"""Shorter values in a column of pictures are no base64: the published files name there the row that holds the picture."""


def text_layout(
    patterns: Sequence[str],
    model: type[RowT],
    make: QuestionOf[RowT],
    *,
    delimiter: str = ",",
    pictures: str = "",
    spellings: Mapping[str, str] | None = None,
) -> Layout:
    """A layout of text tables whose rows are questions.

    Args:
        patterns: of the files.
        model: columns that are read.
        make: the question of a row.
        delimiter: between columns.
        pictures: column of base64 pictures; a short value there is the `index` of the row whose picture it shares.
        spellings: column names as some copies spell them, and the right ones.
    """

    def read(source: Source) -> Iterator[Question | Problem]:
        index = 0
        for url in source.files:
            name = url.rpartition("/")[2]
            try:
                header, rows = table(source.storage, url, delimiter)
            except (UnicodeDecodeError, csv.Error) as error:
                yield Problem(name, f"no readable table ({error}); copy it again")
                continue
            header = [(spellings or {}).get(column, column) for column in header]
            lacking = missing_columns(model, header)
            if lacking:
                yield Problem(name, lacking)
                continue
            raw = [dict(zip(header, row, strict=False)) for row in rows]
            if pictures:
                raw = _with_cells(raw, url, pictures)
            places = [Place(url, number, index + number) for number in range(len(raw))]
            yield from questions_of(zip(places, raw, strict=True), model, make)
            index += len(raw)

    return Layout(tuple(patterns), read)


def table(storage: Storage, url: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a text table; rows without any value are left out.

    Raises:
        UnicodeDecodeError, csv.Error: no UTF-8, or no table.
    """
    csv.field_size_limit(sys.maxsize)  # a picture is one field
    text = storage.read(url).decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    return (rows[0], rows[1:]) if rows else ([], [])


def _with_cells(rows: list[dict[str, Any]], url: str, column: str) -> list[dict[str, Any]]:
    numbers = {row.get("index", ""): number for number, row in enumerate(rows)}
    whole = [len(row.get(column, "")) >= _SHORTEST_PICTURE for row in rows]
    made = []
    for number, row in enumerate(rows):
        where = number if whole[number] else numbers.get(row.get(column, ""), -1)
        cell = Cell(url, where, column) if where >= 0 and whole[where] else None
        made.append({**row, column: cell})
    return made


def delimited_pictures(storage: Storage, url: str, cells: Sequence[Cell]) -> Iterator[tuple[Cell, bytes]]:
    """The bytes of base64 pictures of one file; empty where a value is no base64."""
    header, rows = table(storage, url, "\t" if url.endswith(".tsv") else ",")
    for cell in sorted(cells):
        text = rows[cell.row][header.index(cell.column)]
        try:
            yield cell, base64.b64decode(text, validate=True)
        except binascii.Error:
            yield cell, b""
