"""The stored index, the order and the selection at size: 100,000 shards, 2 billion samples. No network.

Usage: python benchmarks/data/index.py [--shards 100000] [--folder DIR] [--out benchmarks/results]

Photographs come from scikit-image, so `make bench-data` runs this in the environment of the loaders.
Each part runs in a process of its own, so that its memory is its own; prints and stores seconds and bytes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from webssl_trainer.data import Order, Selection, Source, load_data, prepare_data
from webssl_trainer.data.read_ranges import suited
from webssl_trainer.data.samples import Part, ShardSample
from webssl_trainer.data.selection import CHUNK
from webssl_trainer.data.shards import Shard, expand_source
from webssl_trainer.data.store_find import find_store
from webssl_trainer.data.store_format import FOLDER, ROW_SCHEMA, VERSION, digest_of, pack_shard, rows_to_bytes
from webssl_trainer.data.store_make import make_store
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.data.first_batch import first_batch, write_shards  # noqa: E402

Figures = dict[str, float]
PER_SHARD = 20_000


def main() -> int:
    """Measure, print, store."""
    given = parsed()
    folder = Path(tempfile.mkdtemp(prefix="bench-index-", dir=given.folder))
    parts: list[tuple[str, Callable[..., Figures], tuple[Any, ...]]] = [
        ("write small shards", small_shards, (folder, given.shards)),
        ("index them", index_them, (folder, 32)),
        ("index them again", index_them, (folder, 32)),
        ("start a run on them", start, (folder / "small", given.shards)),
        ("write a catalogue of 1 million samples", large_catalog, (folder / "million", 50)),
        ("start a run on it", start, (folder / "million", 50)),
        ("write a catalogue of 2 billion samples", large_catalog, (folder / "billions", 100_000)),
        ("start a run on it, 2 billion", start, (folder / "billions", 100_000)),
        ("write the shards of it", write_shards, (folder / "billions", 100_000, PER_SHARD)),
        ("first crops of its epochs 1, 1.5, 3.5", first_crops, (folder / "billions", (0.0, 0.5, 2.5))),
        ("choose 1.3 % of 2 billion", choose, (0.013,)),
        ("choose 50.3 % of 2 billion", choose, (0.503,)),
    ]
    found: dict[str, Figures] = {}
    try:
        for name, part, arguments in parts:
            found[name] = alone(part, *arguments)
            told = ", ".join(f"{key} {value:,.3f}" for key, value in found[name].items())
            sys.stdout.write(f"{name}: {told}\n")
            sys.stdout.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    facts = {
        "shards": given.shards, "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "python": platform.python_version(), "numpy": np.__version__, "pyarrow": pa.__version__,
    }  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"data-index-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps({"facts": facts, "figures": found}, indent=2) + "\n")
    sys.stdout.write(f"stored in {file}\n")
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="where the shards go: 0.4 GB of small ones, 4 GB of photographs",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


def alone(part: Callable[..., Figures], *arguments: Any) -> Figures:
    """A part in a process of its own: its figures, and by how much its memory grew at most."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (part, arguments))


def _measured(part: Callable[..., Figures], arguments: tuple[Any, ...]) -> Figures:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    found = part(*arguments)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {**found, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib_grown": grown}


def small_shards(folder: Path, shards: int) -> Figures:
    """Tars of two small members each."""
    (folder / "small").mkdir()
    parts = []
    for name in ("a.jpg", "b.jpg"):
        info = tarfile.TarInfo(name)
        info.size = 8
        parts.append(info.tobuf(tarfile.USTAR_FORMAT) + b"not much".ljust(512, b"\0"))
    data = b"".join(parts) + b"\0" * 1024
    for number in range(shards):
        (folder / "small" / f"{number:06d}.tar").write_bytes(data)
    return {"shards": shards}


def index_them(folder: Path, threads: int) -> Figures:
    """List and index; a second time everything is known."""
    storage, base = open_storage(), (folder / "small").as_uri()
    began = time.perf_counter()
    shards = expand_source(storage, f"{base}/*.tar")
    listed = time.perf_counter() - began
    assert shards
    made = make_store(storage, f"{base}/*.tar", f"{base}/{FOLDER}", threads)
    return {
        "listing_seconds": listed,
        "read": made.read,
        "known": made.known,
        "samples": made.current.samples,
    }


def large_catalog(folder: Path, shards: int) -> Figures:
    """The catalogue of shards of 20,000 samples each; all of them share the groups of one."""
    extras = (Part("txt", 0, 10), Part("json", 0, 10))
    samples = [
        ShardSample(f"{at:09d}", Part("jpg", 512 + at * 100_000, 90_000 + at % 7), extras)
        for at in range(PER_SHARD)
    ]
    packed = pack_shard(Shard("x", PER_SHARD * 100_000, "0123456789abcdef"), samples, None, 0)
    row = pa.Table.from_pylist([{**packed.row, "part": "0" * 16, "first_byte": 0}], schema=ROW_SCHEMA)
    rows = row.take(pa.array(np.zeros(shards, dtype=np.int64)))
    base = (folder / "x").as_uri()[:-2]
    urls = pa.array([f"{base}/{at:06d}.tar" for at in range(shards)], pa.large_string())
    data = rows_to_bytes(rows.set_column(0, "url", urls))
    store = folder / FOLDER
    for name in ("parts", "catalogs"):
        (store / name).mkdir(parents=True)
    (store / "parts" / f"{'0' * 16}.bin").write_bytes(b"".join(packed.groups))
    (store / "catalogs" / f"{digest_of(data)}.arrow").write_bytes(data)
    current = {
        "version": VERSION, "catalog": digest_of(data), "shards": shards, "samples": shards * PER_SHARD,
        "image_bytes": shards * packed.row["image_bytes"], "damaged": 0,
    }  # fmt: skip
    (store / "current.json").write_text(json.dumps(current))
    return {"catalog_bytes": len(data), "group_bytes_per_sample": sum(packed.row["group_bytes"]) / PER_SHARD}


def start(folder: Path, shards: int) -> Figures:
    """From nothing to the places of a first micro-batch, then the same as a resume in the middle of epoch 3."""
    storage, source = open_storage(), f"{folder.as_uri()}/*.tar"
    began = time.perf_counter()
    index = find_store(storage, source)
    assert index is not None
    assert len(index.shards) == shards
    found = time.perf_counter() - began
    cache = (folder / "run").as_uri()
    began = time.perf_counter()
    digest = prepare_data(storage, [Source(source)], cache)
    data = load_data(storage, cache, digest, 0)
    data.index.locate_all(data.order.samples_at(np.arange(64)).tolist())
    first = time.perf_counter() - began
    began = time.perf_counter()
    data = load_data(storage, cache, digest, 0)
    middle = int(2.5 * len(data.index))
    data.index.locate_all(data.order.samples_at(np.arange(middle, middle + 64)).tolist())
    resumed = time.perf_counter() - began
    state = next((folder / "run" / "index").glob("view-*.json"))
    return {
        "samples": len(data.index), "find_seconds": found, "first_batch_seconds": first, "resume_seconds": resumed,
        "index_mib": index.nbytes / 2**20, "pinned_state_bytes": state.stat().st_size,
    }  # fmt: skip


def first_crops(folder: Path, epochs: tuple[float, ...]) -> Figures:
    """From the pinned index to crops of photographs, at some positions; the first of them also warms this process."""
    storage, cache = open_storage(), (folder / "run").as_uri()
    digest = prepare_data(storage, [Source(f"{folder.as_uri()}/*.tar")], cache)
    return {f"seconds_from_epoch_{at + 1:g}": first_batch(storage, cache, digest, at) for at in epochs}


def choose(share: float) -> Figures:
    """A selection of 2 billion samples at random: its memory, its file, and the time of a look-up by rank."""
    size, rng = 2_000_000_000, np.random.default_rng(0)

    def pieces() -> Any:
        for first in range(0, size, 64 * CHUNK):
            yield first + np.flatnonzero(rng.random(min(64 * CHUNK, size - first), dtype=np.float32) < share)

    selection = Selection.of(size, pieces())
    order = suited(0, len(selection), 100_000 / share)
    began = time.perf_counter()
    for step in range(100):
        selection.numbers_at(order.samples_at(np.arange(step * 64, step * 64 + 64)))
    each = (time.perf_counter() - began) / 100
    data = selection.to_bytes()
    began = time.perf_counter()
    Selection.from_bytes(data)
    loaded = time.perf_counter() - began
    plain = Order(0, size)
    began = time.perf_counter()
    plain.samples_at(np.arange(10**6))
    return {
        "chosen": len(selection), "memory_mib": selection.nbytes / 2**20, "file_mib": len(data) / 2**20,
        "load_seconds": loaded, "batch_of_64_ms": 1000 * each, "order_ns_per_position": (time.perf_counter() - began) * 1e3,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
