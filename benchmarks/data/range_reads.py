"""Processor time of a range read by each of the two clients, on one S3 server on this machine.

Usage: python benchmarks/data/range_reads.py [--rounds 5] [--out benchmarks/results]

Clients take turns, round after round, in one process, 64 reads to a call; figures are medians over rounds. The server's
own time is not counted. Hedging is as it is by default.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webssl_trainer.storage import ByteRange, FsspecStorage, StorageOptions, open_storage
from webssl_trainer.storage.options import CLIENTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.commit import commit_of  # noqa: E402
from tests.contract.trainer.s3_server import s3_server  # noqa: E402

URL = "s3://bench/object.bin"
OBJECT = 64 << 20
CALLS = {4 << 10: 20, 60_000: 20, 1 << 20: 3, 12 << 20: 1}
"""Bytes of a read, and how many calls make a round."""


def main() -> int:
    """Serve, measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, s3_server(Path(scratch), "bench") as access:
        os.environ.update(access.environment)
        clients = {name: opened(name) for name in CLIENTS}
        clients["fsspec"].put(URL, os.urandom(OBJECT))
        figures = [one_round(clients, size) for size in CALLS for _ in range(given.rounds)]
    summary = summarised(figures)
    sys.stdout.write(f"{json.dumps(summary, indent=2)}\n")
    now = datetime.now(UTC)
    versions = {name: importlib.metadata.version(name) for name in ("pycurl", "s3fs", "aiobotocore")}
    result = {"commit": commit_of(ROOT), "time": now.isoformat(timespec="seconds"), "cpus": os.cpu_count(),
              "python": platform.python_version(), "machine": platform.machine(), "versions": versions,
              "rounds": given.rounds, "summary": summary}  # fmt: skip
    path = given.out / f"data-requests-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def opened(client: str) -> FsspecStorage:
    """A storage of one client, its first connections made later."""
    made = open_storage(StorageOptions.from_env(os.environ | {"WEBSSL_STORAGE_CLIENT": client}))
    assert isinstance(made, FsspecStorage)
    return made


def one_round(clients: dict[str, FsspecStorage], size: int) -> dict[str, Any]:
    """Milliseconds of processor and of clock for each read of `size` bytes, by client."""
    found: dict[str, Any] = {"size": size}
    count = min(64, (256 << 20) // size)
    for name, storage in clients.items():
        storage.cat_ranges(spans(size, 8))
        clock, used = time.monotonic(), time.process_time()
        for _ in range(CALLS[size]):
            storage.cat_ranges(spans(size, count))
        reads = CALLS[size] * count
        found[name] = ((time.process_time() - used) / reads * 1e3, (time.monotonic() - clock) / reads * 1e3)
    return found


def spans(size: int, count: int) -> list[ByteRange]:
    """Places spread over the object."""
    step = (OBJECT - size) // count
    return [ByteRange(URL, at * step, at * step + size) for at in range(count)]


def summarised(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Medians by size and client, and the ratio of processor times."""
    summary = {}
    for size in CALLS:
        of = [found for found in rounds if found["size"] == size]
        line = {}
        for name in CLIENTS:
            line[f"{name}: ms of processor"] = round(statistics.median(found[name][0] for found in of), 3)
            line[f"{name}: ms of clock"] = round(statistics.median(found[name][1] for found in of), 3)
        line["fsspec / direct"] = round(
            statistics.median(found["fsspec"][0] / found["direct"][0] for found in of), 2
        )
        summary[f"{size} bytes"] = line
    return summary


if __name__ == "__main__":
    sys.exit(main())
