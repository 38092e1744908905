"""From a table of keys to the selection of the samples that a run sees. Done once, by one process.

Keys are compared by 64-bit hashes within a shard (so a wrong match has a probability of less than 1e-6 over 2 billion
samples in shards of 10,000); a table without shards is matched by key alone, and a key that several shards have
chooses all of them. Memory: 12 bytes for each chosen row, and one sort of them; the data's own keys pass by shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]
import structlog
from numpy.typing import NDArray

from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.key_hash import hash_texts
from webssl_trainer.data.selection import Selection
from webssl_trainer.data.table_rows import KeyTable, open_table
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

_log = structlog.get_logger(__name__)
_BATCH = 1 << 17
_SHARDS_AT_ONCE = 256
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Filter:
    """`spec.data.filter`: which samples a run sees.

    Attributes:
        table: address of the table, see `open_table`.
        where: condition on its columns; None takes every row.
        max_unmatched: largest share of chosen rows without a sample, and beside `where` of samples without a row.
    """

    table: str
    where: str | None = None
    max_unmatched: float = 0.05


@dataclass
class Tally:
    """What a filter met.

    Attributes:
        rows: rows of the table.
        chosen_rows: rows that pass the condition.
        unmatched_rows: distinct chosen rows about no sample of the data.
        samples: samples of the data.
        chosen: samples that are seen.
        without_row: samples without any row, at least (counted by shard where the table names shards).
    """

    rows: int = 0
    chosen_rows: int = 0
    unmatched_rows: int = 0
    samples: int = 0
    chosen: int = 0
    without_row: int = 0


@dataclass
class _Rows:
    """Chosen rows: shard number (or 0 for all) and hash of the key, sorted by both, without repeats."""

    shard: NDArray[np.int32]
    key: Hashes
    foreign: int = 0
    seen: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros(self.key.size, dtype=np.bool_)


def select(storage: Storage, index: DataIndex, wanted: Filter, threads: int = 8) -> Selection:
    """The samples of an index whose row in a table passes a condition. A sample without a row is not chosen.

    Returns:
        The selection; its facts are a `Tally` as a dict.

    Raises:
        UserError: the table or the condition is wrong, too much of one has nothing in the other, or nothing is left.
    """
    table = open_table(storage, wanted.table, wanted.where)
    shards = _Shards(index.shards, table)
    tally = Tally(rows=int(table.rows.count_rows()), samples=len(index))
    rows = _chosen_rows(table, shards, tally)
    selection = Selection.of(len(index), _matches(index, rows, len(table.keys) > 1 or shards.in_id, threads))
    tally.unmatched_rows = rows.foreign + int(rows.key.size - np.count_nonzero(rows.seen))
    tally.chosen = len(selection)
    tally.without_row = _without_row(index, table, shards, tally)
    _check(wanted, tally)
    _log.info("data.filter", table=wanted.table, where=wanted.where, **asdict(tally))
    selection.facts.update(asdict(tally))
    return selection


class _Shards:
    """Numbers of shards by the names a table gives them: URL or file name."""

    def __init__(self, urls: Sequence[str], table: KeyTable) -> None:
        self.in_id = table.keys == ("sample_id",)
        self.named = self.in_id or len(table.keys) > 1
        self._by_name: dict[str, int] = {}
        self._twice: set[str] = set()
        self._by_url = {url: number for number, url in enumerate(urls)}
        for number, url in enumerate(urls):
            name = url.rpartition("/")[2]
            if name in self._by_name:
                self._twice.add(name)
            self._by_name[name] = number

    def number(self, name: str | None) -> int:
        """Number of a shard, -1 when it is none of the data's."""
        if name is None:
            return -1
        if name in self._by_url:
            return self._by_url[name]
        last = name.rpartition("/")[2]
        if last in self._twice:
            raise UserError(
                f"spec.data.filter.table calls a shard {name!r}, and spec.data.source has several files of that name: "
                "write their whole addresses into the table's column shard"
            )
        return self._by_name.get(last, -1)

    def numbers(self, names: Any) -> NDArray[np.int32]:
        """`number` of an Arrow array of names."""
        encoded = pc.dictionary_encode(names, null_encoding="encode")
        known = np.array([self.number(name) for name in encoded.dictionary.to_pylist()], dtype=np.int32)
        return cast(NDArray[np.int32], known[encoded.indices.to_numpy(zero_copy_only=False)])


def _chosen_rows(table: KeyTable, shards: _Shards, tally: Tally) -> _Rows:
    numbers: list[NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
    hashes: list[Hashes] = [np.empty(0, dtype=np.uint64)]
    foreign = 0
    for names, keys in _batches(table, table.condition):
        tally.chosen_rows += len(keys)
        number = shards.numbers(names) if names is not None else np.zeros(len(keys), dtype=np.int32)
        known = number >= 0
        foreign += int(len(keys) - known.sum())
        hashes.append(hash_texts(keys)[known])
        numbers.append(number[known])
    shard, key = np.concatenate(numbers), np.concatenate(hashes)
    order = np.lexsort((key, shard))
    shard, key = shard[order], key[order]
    first = np.ones(key.size, dtype=np.bool_)
    first[1:] = (shard[1:] != shard[:-1]) | (key[1:] != key[:-1])
    return _Rows(shard[first], key[first], foreign)


def _batches(table: KeyTable, condition: Any, keys_too: bool = True) -> Iterator[tuple[Any, Any]]:
    """Shard names (None where the table has none) and keys of the rows, batch by batch."""
    columns = table.keys if keys_too or table.keys[0] != "shard" else table.keys[:1]
    for batch in table.rows.to_batches(columns=list(columns), filter=condition, batch_size=_BATCH):
        if batch.num_rows == 0:
            continue
        given = [_texts(batch.column(name)) for name in columns]
        if columns == ("sample_id",):
            shard = pc.replace_substring_regex(given[0], r"(?s)/.*$", "")
            yield shard, pc.replace_substring_regex(given[0], r"(?s)^[^/]*/?", "")
        elif columns == ("key",):
            yield None, given[0]
        else:
            yield given[0], given[-1]


def _texts(column: Any) -> Any:
    return pc.fill_null(column.cast("large_string"), "")


def _matches(index: DataIndex, rows: _Rows, by_shard: bool, threads: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of the chosen samples, shard by shard."""
    counts = index.shard_counts
    starts = np.cumsum(counts) - counts
    bounds = np.searchsorted(rows.shard, np.arange(counts.size + 1)) if by_shard else None

    def of(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, last = (0, rows.key.size) if bounds is None else (int(bounds[number]), int(bounds[number + 1]))
        if first == last or counts[number] == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        mine, wanted = hash_texts(index.keys_of(number)), rows.key[first:last]
        place = np.minimum(np.searchsorted(wanted, mine), wanted.size - 1)
        found = np.flatnonzero(wanted[place] == mine)
        return found + starts[number], place[found] + first

    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="filter") as pool:
        for at in range(0, counts.size, _SHARDS_AT_ONCE):
            for found, used in pool.map(of, range(at, min(at + _SHARDS_AT_ONCE, counts.size))):
                rows.seen[used] = True
                yield found


def _without_row(index: DataIndex, table: KeyTable, shards: _Shards, tally: Tally) -> int:
    if table.condition is None:
        return tally.samples - tally.chosen
    if not shards.named:
        return max(0, tally.samples - tally.rows)
    rows = np.zeros(len(index.shards), dtype=np.int64)
    for names, _ in _batches(table, None, keys_too=False):
        number = shards.numbers(names)
        rows += np.bincount(number[number >= 0], minlength=rows.size)
    return int(np.maximum(index.shard_counts - rows, 0).sum())


def _check(wanted: Filter, tally: Tally) -> None:
    table, most = wanted.table, wanted.max_unmatched
    raise_it = f"or raise spec.data.filter.maxUnmatchedFraction (now {most})"
    if tally.chosen == 0:
        what = (
            f"none of its {tally.rows} rows passes"
            if tally.chosen_rows == 0
            else "no row is about a sample of it"
        )
        raise UserError(
            f"spec.data.filter leaves no sample of spec.data.source: {what} (table {table}, where {wanted.where}); "
            "check the condition, and that the keys are those of the shards"
        )
    if tally.unmatched_rows > most * tally.chosen_rows:
        raise UserError(
            f"{tally.unmatched_rows} of {tally.chosen_rows} chosen rows of spec.data.filter.table {table} are about no "
            f"sample of spec.data.source: use the table of these shards, {raise_it}"
        )
    if wanted.where is not None and tally.without_row > most * tally.samples:
        raise UserError(
            f"{tally.without_row} of {tally.samples} samples of spec.data.source have no row in spec.data.filter.table "
            f"{table}: score them too, {raise_it}"
        )
