"""The table of `spec.data.filter`: its files, its columns, and the condition as Arrow evaluates it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from webssl_api.predicate import (
    Both,
    Compare,
    Either,
    IsNull,
    IsTrue,
    Not,
    OneOf,
    Predicate,
    PredicateError,
    Value,
    columns_of,
    parse_predicate,
)

from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError

_FORMATS = {"parquet": "parquet", "arrow": "ipc", "ipc": "ipc", "feather": "ipc"}
_ONE_FIELD, _SHARD, _KEY = "sample_id", "shard", "key"


@dataclass(frozen=True)
class KeyTable:
    """An open table of keys.

    Attributes:
        name: the address as the manifest has it.
        rows: the Arrow dataset.
        keys: its key columns: (shard, key), (sample_id,), or (key,).
        condition: an Arrow expression; None takes every row.
    """

    name: str
    rows: Any
    keys: tuple[str, ...]
    condition: Any


def open_table(storage: Storage, table: str, where: str | None) -> KeyTable:
    """Opens the files of a table; reads their schema and nothing else.

    Args:
        storage: where they are.
        table: a `.parquet`, `.arrow`, `.ipc` or `.feather` file, a glob of them, or a folder with some.
        where: see `webssl_api.predicate`; None for all rows.

    Raises:
        UserError: no file, no key columns, or a condition that does not fit the columns.
    """
    import pyarrow.dataset as ds  # type: ignore[import-untyped]  # with pandas, a third of all imports' time

    urls = _files(storage, table)
    endings = {url.rpartition(".")[2].lower() for url in urls}
    formats = {_FORMATS[ending] for ending in endings}
    if len(formats) > 1:
        raise UserError(
            f"spec.data.filter.table {table!r} has files of {sorted(endings)}: name those of one format"
        )
    system, _ = storage.filesystem(urls[0])
    paths = [storage.filesystem(url)[1] for url in urls]
    try:
        rows = ds.dataset(paths, filesystem=system, format=formats.pop())
    except FileNotFoundError as error:
        raise UserError(
            f"spec.data.filter.table {table!r} does not exist; write its right address"
        ) from error
    except pa.ArrowInvalid as error:
        raise UserError(
            f"spec.data.filter.table {table!r} can not be read ({error}); write it anew"
        ) from error
    schema = rows.schema
    return KeyTable(table, rows, _keys(schema, table), None if where is None else condition(where, schema))


def _files(storage: Storage, table: str) -> list[str]:
    last = table.rpartition("/")[2]
    if any(sign in table for sign in "*?["):
        found = [info.url for info in storage.glob(table)]
    elif last.rpartition(".")[2].lower() in _FORMATS:
        found = [table]
    else:
        found = [info.url for info in storage.list_objects(table)]
    found = [url for url in found if url.rpartition(".")[2].lower() in _FORMATS]
    if not found:
        raise UserError(
            f"spec.data.filter.table {table!r} names no file that ends in .parquet or .arrow; check the address"
        )
    try:
        storage.size(found[0])
    except StorageNotFoundError as error:
        raise UserError(
            f"spec.data.filter.table {table!r} does not exist; write its right address"
        ) from error
    return found


def _keys(schema: Any, table: str) -> tuple[str, ...]:
    names = set(schema.names)
    if {_SHARD, _KEY} <= names:
        return (_SHARD, _KEY)
    for single in (_ONE_FIELD, _KEY):
        if single in names:
            return (single,)
    raise UserError(
        f"spec.data.filter.table {table!r} has the columns {_listed(schema.names)}, none of which says which sample a "
        "row is about: it needs shard and key, or sample_id (shard file name/key), or key"
    )


def condition(where: str, schema: Any) -> Any:
    """A condition as an Arrow expression over a schema. A test of a null is neither true nor false, as in SQL.

    Raises:
        UserError: it is no condition, or names a column that is not there or does not hold such values.
    """
    try:
        predicate = parse_predicate(where)
    except PredicateError as error:
        raise UserError(f"spec.data.filter.where: {error}") from error
    for column in columns_of(predicate):
        if column not in schema.names:
            near = difflib.get_close_matches(column, schema.names, n=3, cutoff=0.5)
            hint = f"did you mean {_listed(near)}?" if near else f"the table has {_listed(schema.names)}"
            raise UserError(
                f"spec.data.filter.where names column {column!r}, which the table does not have; {hint}"
            )
    return _expression(predicate, schema)


def _expression(predicate: Predicate, schema: Any) -> Any:
    match predicate:
        case Both(left, right):
            return _expression(left, schema) & _expression(right, schema)
        case Either(left, right):
            return _expression(left, schema) | _expression(right, schema)
        case Not(inner):
            return ~_expression(inner, schema)
        case IsNull(column):
            return pc.field(column).is_null()
        case IsTrue(column):
            return _column(column, schema, True)
        case Compare(column, sign, value):
            return _compared(_column(column, schema, value), sign, value)
        case OneOf(column, values):
            return _any_of([_column(column, schema, value) == pc.scalar(value) for value in values])


def _any_of(tests: Sequence[Any]) -> Any:
    """`or` of tests, as a balanced tree: long lists must not nest deeply."""
    if len(tests) == 1:
        return tests[0]
    half = len(tests) // 2
    return _any_of(tests[:half]) | _any_of(tests[half:])


def _compared(column: Any, sign: str, value: Value) -> Any:
    scalar = pc.scalar(value)
    match sign:
        case "==":
            return column == scalar
        case "!=":
            return column != scalar
        case "<":
            return column < scalar
        case "<=":
            return column <= scalar
        case ">":
            return column > scalar
        case _:
            return column >= scalar


def _column(name: str, schema: Any, value: Value) -> Any:
    """A column that can be compared with a value."""
    kind, field = schema.field(name).type, pc.field(name)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        field = field.cast(kind)
    holds = _kind_of(kind)
    given = "truths" if isinstance(value, bool) else "texts" if isinstance(value, str) else "numbers"
    if holds != given:
        shown = repr(value) if isinstance(value, str) else str(value).lower()
        mend = f"write {name} = '{value}'" if holds == "texts" else "compare it with a value of its own type"
        raise UserError(
            f"spec.data.filter.where compares column {name!r}, which holds {kind}, with {shown}; {mend}"
        )
    return field


def _kind_of(kind: Any) -> str:
    types = pa.types
    if types.is_boolean(kind):
        return "truths"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_string(kind) or types.is_large_string(kind):
        return "texts"
    return "others"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
