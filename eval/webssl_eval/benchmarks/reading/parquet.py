"""Tables in Parquet as data sets are published on the Hugging Face hub: pictures are structs of bytes and path.

Only the columns that a benchmark needs are read, and of pictures only their paths: that tells which cells are empty, and
leaves the bytes where they are until a picture is wanted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from webssl_trainer.storage import Storage

from webssl_eval.benchmarks.question import Cell, Problem, Question
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.rows import (
    Place,
    QuestionOf,
    Row,
    RowT,
    columns_of,
    missing_columns,
    questions_of,
)

_ROWS_AT_ONCE = 512


def parquet_layout(patterns: Sequence[str], model: type[RowT], make: QuestionOf[RowT]) -> Layout:
    """A layout of Parquet files whose rows are questions."""

    def read(source: Source) -> Iterator[Question | Problem]:
        return parquet_questions(source.storage, source.files, model, make)

    return Layout(tuple(patterns), read)


def parquet_questions(
    storage: Storage, urls: Sequence[str], model: type[RowT], make: QuestionOf[RowT]
) -> Iterator[Question | Problem]:
    """The questions of the files' rows, in order."""
    index = 0
    for url in urls:
        try:
            with opened(storage, url) as file:
                lacking = missing_columns(model, file.schema_arrow.names)
                if lacking:
                    yield Problem(url.rpartition("/")[2], lacking)
                else:
                    yield from questions_of(_rows(file, url, index, model), model, make)
                index += file.metadata.num_rows
        except pa.ArrowException as error:
            what = " ".join(str(error).split())[:120]
            yield Problem(url.rpartition("/")[2], f"no readable Parquet file ({what}); copy it again")


@contextmanager
def opened(storage: Storage, url: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file of a storage, open for reading.

    Raises:
        pyarrow.ArrowException: not one.
    """
    with storage.open(url) as raw, pq.ParquetFile(raw) as file:
        yield file


def _rows(
    file: pq.ParquetFile, url: str, index: int, model: type[Row]
) -> Iterator[tuple[Place, dict[str, Any]]]:
    schema = file.schema_arrow
    names = [name for name in columns_of(model) if name in schema.names]
    pictures = {name for name in names if holds_pictures(schema.field(name).type)}
    leaves = [leaf for name in names for leaf in _leaves(file, name, light=name in pictures)]
    number = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=leaves):
        for raw in batch.to_pylist():
            cells = {name: _cells(raw[name], url, number, name) for name in pictures}
            yield Place(url, number, index + number), {**raw, **cells}
            number += 1


def holds_pictures(kind: pa.DataType) -> bool:
    """Whether a column's type is that of pictures, or of lists of them."""
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return bool(pa.types.is_struct(inner) and inner.get_field_index("bytes") >= 0)


def _leaves(file: pq.ParquetFile, name: str, *, light: bool) -> list[str]:
    paths = [file.schema.column(number).path for number in range(len(file.schema))]
    ours = [path for path in paths if path.partition(".")[0] == name]
    return [path for path in ours if light and path.endswith(".path")] or ours


def _cells(value: Any, url: str, row: int, column: str) -> Any:
    if isinstance(value, list):
        return tuple(Cell(url, row, column, item) for item in range(len(value)))
    return None if value is None else Cell(url, row, column)


def parquet_pictures(storage: Storage, url: str, cells: Sequence[Cell]) -> Iterator[tuple[Cell, bytes]]:
    """The bytes of pictures of one file, in the order of its rows; empty where the file holds none.

    A few rows are in memory at a time; row groups without a wanted picture are not read.
    """
    wanted: dict[str, dict[int, list[Cell]]] = {}
    for cell in cells:
        wanted.setdefault(cell.column, {}).setdefault(cell.row, []).append(cell)
    with opened(storage, url) as file:
        for column, by_row in wanted.items():
            rows, start = sorted(by_row), 0
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                if bisect_left(rows, start) < bisect_left(rows, end):
                    yield from _of_group(file, group, start, column, by_row)
                start = end


def _of_group(
    file: pq.ParquetFile, group: int, start: int, column: str, by_row: dict[int, list[Cell]]
) -> Iterator[tuple[Cell, bytes]]:
    row = start
    for batch in file.iter_batches(32, row_groups=[group], columns=[column]):
        for value in batch.column(0).to_pylist():
            for cell in by_row.get(row, ()):
                one = value[cell.item] if isinstance(value, list) and cell.item < len(value) else value
                yield cell, (one.get("bytes") if isinstance(one, dict) else None) or b""
            row += 1
