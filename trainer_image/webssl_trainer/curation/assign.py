"""Which sample is a duplicate of which: the lowest number of a group of duplicates is its original.

Memory: one bucket of records (see `buckets`), and 17 bytes for each sample that is a duplicate or near pair found; local
disk: 48 bytes a sample for exact duplicates, and 48 more for each band of near ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from webssl_trainer.curation.buckets import Buckets
from webssl_trainer.curation.components import lowest_connected
from webssl_trainer.curation.near import band_edges, near_in_band, rolled

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
BYTES, PIXELS, NEAR = 0, 1, 2
KINDS = ("bytes", "pixels", "near")
COLUMNS = ["file_hash", "pixel_hash", "picture_hash", "detail_hash"]
_DETAIL_FACTOR = 4
_EXACT = [("key", "<u8"), ("rest", "<u8"), ("number", "<i8")]
_HASHED = [("key", "<u8"), ("detail", "<u8", (4,)), ("number", "<i8")]
Read = Callable[[], Iterator[tuple[int, pa.Table]]]


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        number: samples that are duplicates, rising, int64 (D,).
        original: of each, a sample with a lower number, which is no duplicate, int64 (D,).
        kind: of each, 0 same bytes, 1 same pixels, 2 nearly the same look, int8 (D,).
        skipped: pairs whose hashes share a band and that were not compared, since too many do.
    """

    number: I64
    original: I64
    kind: NDArray[np.int8]
    skipped: int = 0


def find_duplicates(read: Read, rows: int, distance: int | None, folder: Path) -> Duplicates:
    """Groups samples by equal bytes, equal pixels, and looks that are at most `distance` bits apart.

    Near looks are those whose picture hashes differ in at most `distance` bits of 64 and whose detail hashes in at most
    four times as many of 256: the second sorts out different images of one composition, such as charts.

    Args:
        read: gives (number of the first row, rows with COLUMNS) in pieces; called once for each kind of hash.
        rows: of the table.
        distance: None looks for exact duplicates only.
        folder: an empty local folder.
    """
    left: list[I64] = []
    right: list[I64] = []
    exact: list[dict[str, I64]] = []
    for kind, column in ((BYTES, "file_hash"), (PIXELS, "pixel_hash")):
        low, high = _equal(_binary(read, column), rows, folder / KINDS[kind])
        exact.append({"low": low, "high": high})
        left.append(low)
        right.append(high)
    skipped = 0
    if distance is not None:
        low, high, skipped = _near(read, rows, distance, folder)
        left.append(low)
        right.append(high)
    nodes, edges = np.unique(np.concatenate([*left, *right]), return_inverse=True)
    half = edges.size // 2
    lowest = nodes[lowest_connected(nodes.size, edges[:half], edges[half:])] if nodes.size else nodes
    is_copy = lowest < nodes
    number, original = nodes[is_copy], lowest[is_copy]
    kind_of = np.full(number.size, NEAR, dtype=np.int8)
    # an exact duplicate is one of any sample before it, which need not be the original of a chain of near ones
    for kind in (PIXELS, BYTES):
        kind_of[np.isin(number, exact[kind]["high"])] = kind
    return Duplicates(number, original, kind_of, skipped)


def _equal(pieces: Iterator[NDArray[np.void]], rows: int, folder: Path) -> tuple[I64, I64]:
    """Pairs (first of a group, later one) of samples with equal 128-bit hashes."""
    buckets = Buckets(folder, _EXACT, rows)
    for piece in pieces:
        buckets.add(piece["key"], piece)
    low: list[I64] = [np.empty(0, dtype=np.int64)]
    high: list[I64] = [np.empty(0, dtype=np.int64)]
    for found in buckets:
        order = np.lexsort((found["number"], found["rest"], found["key"]))
        ordered = found[order]
        same = (ordered["key"][1:] == ordered["key"][:-1]) & (ordered["rest"][1:] == ordered["rest"][:-1])
        starts = np.concatenate(([True], ~same))
        first = ordered["number"][starts][np.cumsum(starts) - 1]
        low.append(first[~starts])
        high.append(ordered["number"][~starts])
    buckets.close()
    return np.concatenate(low), np.concatenate(high)


def _binary(read: Read, column: str) -> Iterator[NDArray[np.void]]:
    for first, table in read():
        values = table[column].combine_chunks()
        there = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        if there.size == 0:
            continue
        words = np.frombuffer(b"".join(values.drop_null().to_pylist()), dtype="<u8").reshape(-1, 2)
        records = np.empty(there.size, dtype=_EXACT)
        records["key"], records["rest"], records["number"] = words[:, 0], words[:, 1], there + first
        yield records


def _near(read: Read, rows: int, distance: int, folder: Path) -> tuple[I64, I64, int]:
    low: list[I64] = [np.empty(0, dtype=np.int64)]
    high: list[I64] = [np.empty(0, dtype=np.int64)]
    skipped = 0
    for number, (bit, bits) in enumerate(band_edges(distance)):
        buckets = Buckets(folder / f"near-{number}", _HASHED, rows)
        for first, table in read():
            piece = _hashed(first, table)
            piece["key"] = rolled(piece["key"], bit, bits)
            # bands are no even hashes (a white page has few), the spread of buckets wants one; equal bands stay together
            buckets.add((piece["key"] >> np.uint64(64 - bits)) * np.uint64(0x9E3779B97F4A7C15), piece)
        for found in buckets:
            # samples of the very same look are one for the comparison
            order = np.lexsort((found["number"], *found["detail"].T, found["key"]))
            ordered = found[order]
            same = (ordered["key"][1:] == ordered["key"][:-1]) & (
                ordered["detail"][1:] == ordered["detail"][:-1]
            ).all(axis=1)
            starts = np.concatenate(([True], ~same))
            looks = ordered[starts]
            low.append(looks["number"][np.cumsum(starts) - 1][~starts])
            high.append(ordered["number"][~starts])
            pairs = near_in_band(looks["key"].astype(np.uint64), bits, distance)
            skipped += pairs.skipped
            a, b = looks[pairs.left], looks[pairs.right]
            apart = np.bitwise_count(a["detail"] ^ b["detail"]).sum(axis=1, dtype=np.int64)
            close = apart <= _DETAIL_FACTOR * distance
            low.append(a["number"][close])
            high.append(b["number"][close])
        buckets.close()
    return np.concatenate(low), np.concatenate(high), skipped


def _hashed(first: int, table: pa.Table) -> NDArray[np.void]:
    values = table["picture_hash"].combine_chunks()
    there = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    records = np.empty(there.size, dtype=_HASHED)
    records["key"] = values.drop_null().to_numpy()
    details = table["detail_hash"].combine_chunks().drop_null().to_pylist()
    records["detail"] = np.frombuffer(b"".join(details), dtype="<u8").reshape(-1, 4)
    records["number"] = there + first
    return records
