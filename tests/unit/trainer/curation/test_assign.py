"""The original of a group of duplicates is the sample with the lowest number, however the table is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from webssl_trainer.curation import assign, buckets
from webssl_trainer.curation.assign import Duplicates, find_duplicates


def table(rows: list[tuple[str, str, int, int] | None]) -> pa.Table:
    """Rows of (file, pixels, picture hash, detail hash); None is a broken sample."""
    columns = list(zip(*[row or (None,) * 4 for row in rows], strict=True))
    texts = [
        [None if item is None else item.encode().ljust(16, b".") for item in column] for column in columns[:2]
    ]
    return pa.table(
        {
            "file_hash": pa.array(texts[0], pa.binary(16)),
            "pixel_hash": pa.array(texts[1], pa.binary(16)),
            "picture_hash": pa.array(columns[2], pa.uint64()),
            "detail_hash": pa.array(
                [None if bits is None else bits.to_bytes(32, "little") for bits in columns[3]], pa.binary(32)
            ),
        }
    )


def found(rows: pa.Table, folder: Path, distance: int | None = 4, piece: int = 3) -> Duplicates:
    def read() -> Iterator[tuple[int, pa.Table]]:
        for first in range(0, rows.num_rows, piece):
            yield first, rows.slice(first, piece)

    return find_duplicates(read, rows.num_rows, distance, folder)


FAR = 0xFFFF_0000_FFFF_0000
ROWS = [
    ("a", "A", FAR, 0),
    ("b", "B", 0, 0),
    None,
    ("a", "A", FAR, 0),  # the bytes of 0
    ("c", "A", FAR, 0),  # the pixels of 0
    ("d", "D", 0b1111, 0),  # looks like 1
    ("e", "E", 0b1111 << 20, 2**64 - 1),  # the picture hash of one that looks like 1, other details
    ("b", "B", 0, 0),  # the bytes of 1
]


def test_same_bytes_same_pixels_and_near_looks_are_told_apart(tmp_path: Path) -> None:
    answer = found(table(ROWS), tmp_path)
    assert answer.number.tolist() == [3, 4, 5, 7]
    assert answer.original.tolist() == [0, 0, 1, 1]
    assert [assign.KINDS[kind] for kind in answer.kind] == ["bytes", "pixels", "near", "bytes"]
    assert answer.skipped == 0


def test_without_near_only_exact_ones_are_looked_for(tmp_path: Path) -> None:
    assert found(table(ROWS), tmp_path, None).number.tolist() == [3, 4, 7]


def test_a_table_without_scores_has_no_duplicates(tmp_path: Path) -> None:
    assert found(table([None, None]), tmp_path).number.tolist() == []


def test_a_chain_of_near_looks_has_one_original(tmp_path: Path) -> None:
    chain = [(str(n), str(n), (1 << 3 * n) - 1, 0) for n in range(6)]
    answer = found(table(chain), tmp_path)
    assert answer.original.tolist() == [0] * 5


@pytest.mark.parametrize("piece", [1, 50, 700])
def test_neither_pieces_nor_buckets_change_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 40, dtype=np.uint64)
    rows = [
        (
            str(rng.integers(90)),
            str(rng.integers(90)),
            int(rng.choice(hashes)) ^ (1 << int(rng.integers(64))),
            0,
        )
        for _ in range(150)
    ]
    whole = found(table(rows), tmp_path / "whole")
    monkeypatch.setattr(buckets, "IN_MEMORY", 10)
    cut = found(table(rows), tmp_path / "cut", piece=piece)
    for name in ("number", "original", "kind"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name))
    assert len(list((tmp_path / "cut" / "bytes").iterdir())) == 8
