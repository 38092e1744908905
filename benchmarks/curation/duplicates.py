"""Finding duplicates among many: time, memory and what is found, for growing numbers of made-up hashes. No images.

Usage: python benchmarks/curation/duplicates.py [--rows 100000 400000 1600000] [--out benchmarks/results]

Of the rows 5 % have the bytes of another, and 5 % its look with two bits of 64 and eight of 256 changed; the rest is drawn
evenly over all hashes, but for 10 % whose looks are within 16 bits of one of 100 (pages, blank walls), so that bands are crowded.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from webssl_trainer.curation.assign import find_duplicates  # noqa: E402

from benchmarks.train.commit import commit_of  # noqa: E402

_PIECE = 1 << 16


def main() -> int:
    """Measure, print, store. Each size runs in a process of its own, so that its memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 400_000, 1_600_000])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    found = []
    for rows in given.rows:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(measured, (rows,)))
        sys.stdout.write(json.dumps(found[-1]) + "\n")
    now = datetime.now(UTC)
    result = {
        "benchmark": "curation-duplicates",
        "time": now.isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "clock": "processor time, one thread",
        "hardware": {"machine": platform.machine(), "cpus": os.cpu_count()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "sizes": found,
    }
    path = given.out / f"curation-duplicates-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(f"stored in {path}\n")
    return 0


def measured(rows: int) -> dict[str, Any]:
    """One size."""
    table, copies, near = made(rows)

    def read() -> Iterator[tuple[int, pa.Table]]:
        for first in range(0, rows, _PIECE):
            yield first, table.slice(first, _PIECE)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(prefix="bench-duplicates-") as folder:
        began = time.process_time()
        found = find_duplicates(read, rows, 4, Path(folder))
        seconds = time.process_time() - began
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "microsecondsARow": round(1e6 * seconds / rows, 2),
        "memoryMiB": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
        "copiesFound": float(np.isin(copies, found.number).mean()),
        "nearFound": float(np.isin(near, found.number).mean()),
        "pairsNotCompared": found.skipped,
    }


def made(rows: int) -> tuple[pa.Table, Any, Any]:
    """The table, and the rows that are planted copies and near copies; an original always lies before."""
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 2**64, (rows, 5), dtype=np.uint64)
    files = rng.integers(0, 2**64, (rows, 2), dtype=np.uint64)
    part = rng.permutation(np.arange(rows // 2, rows))
    copies, near = part[: rows // 20], part[rows // 20 : rows // 10]
    crowd = rng.permutation(rows // 2)[: rows // 10]
    middles = rng.integers(0, 2**64, 100, dtype=np.uint64)[rng.integers(0, 100, crowd.size)]
    looks[crowd, 0] = middles ^ changed(rng, crowd.size, 8)
    origin = rng.integers(0, rows // 2, copies.size + near.size)
    files[copies], looks[copies] = files[origin[: copies.size]], looks[origin[: copies.size]]
    looks[near] = looks[origin[copies.size :]]
    looks[near, 0] ^= changed(rng, near.size, 2)
    for column in range(1, 5):
        looks[near, column] ^= changed(rng, near.size, 2)

    def binary(values: Any) -> Any:
        width = values.shape[1] * 8
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(width), rows, [None, pa.py_buffer(np.ascontiguousarray(values).tobytes())]
        )

    columns = {
        "file_hash": binary(files),
        "pixel_hash": binary(files),
        "picture_hash": pa.array(looks[:, 0]),
        "detail_hash": binary(looks[:, 1:]),
    }
    return pa.table(columns), copies, near


def changed(rng: np.random.Generator, count: int, bits: int) -> Any:
    """Masks of up to `bits` bits, uint64 (count,)."""
    found = np.zeros(count, dtype=np.uint64)
    for _ in range(bits):
        found |= np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
