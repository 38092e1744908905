"""The data plane over a real S3 server: one sequence for all process counts, workers and starts, filtered and mixed."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from webssl_trainer.data import (
    BatchPlan,
    CropSpec,
    Filter,
    Loader,
    OpenData,
    Source,
    StoredIndex,
    load_data,
    prepare_data,
)
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.data.store_find import default_folder
from webssl_trainer.data.store_make import make_store, verify_store
from webssl_trainer.storage import Storage, StorageOptions, open_storage, read_apart

from tests.contract.trainer.s3_server import s3_server

PLAN = BatchPlan(global_batch=24, group_size=1, micro_batch=4)
CROPS = CropSpec(global_size=8, n_global=1, n_local=0, photometric_global=())
STEPS = 4
BROKEN = {2, 17, 18, 30}
CHOSEN = [1, 2, 5, 17, 18, 33, 38]


def picture(number: int) -> bytes:
    if number in BROKEN:
        return b"no image"
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with pytest.MonkeyPatch.context() as patch, s3_server(tmp_path_factory.mktemp("s3"), "data") as access:
        for name, value in access.environment.items():
            patch.setenv(name, value)
        yield open_storage(StorageOptions.from_env())


@pytest.fixture(scope="module")
def sources(storage: Storage) -> list[Source]:
    """Forty images, of which a table chooses seven, mixed with thirty from a source with a stored index."""
    for name, count in (("first", 40), ("second", 30)):
        pack(
            [PackItem(f"{at:05d}", picture(at), "png") for at in range(count)],
            storage,
            f"s3://data/{name}",
            8,
        )
    sink = pa.BufferOutputStream()
    rows = {
        "key": [f"{at:05d}" for at in range(40)],
        "kind": ["seen" if at in CHOSEN else "not" for at in range(40)],
    }
    pq.write_table(pa.table(rows), sink)
    storage.put("s3://data/scores/all.parquet", sink.getvalue().to_pybytes())
    second = "s3://data/second/*.tar"
    made = make_store(storage, second, default_folder(second))
    assert (made.read, made.current.samples) == (4, 30)
    assert make_store(storage, second, default_folder(second)).read == 0
    chosen = Filter("s3://data/scores/*.parquet", "kind = seen")
    return [Source("s3://data/first/{000000..000004}.tar", 1.0, chosen), Source(second, 2.0)]


@pytest.fixture(scope="module", params=[1, 4], ids=["sample-by-sample", "neighbours"])
def data(storage: Storage, sources: list[Source], request: pytest.FixtureRequest) -> OpenData:
    """Both mixed, in an order that keeps so many neighbours together."""
    digest = prepare_data(storage, sources, "s3://data/run", neighbours=request.param)
    return load_data(storage, "s3://data/run", digest, seed=7)


def ids(storage: Storage, data: OpenData, world: int = 1, workers: int = 0, first: int = 0) -> list[str]:
    """Sample ids of all processes in the order of the positions."""
    found: dict[int, str] = {}
    for rank in range(world):
        common: dict[str, Any] = {"storage": storage, "index": data.index, "order": data.order, "plan": PLAN}
        with Loader(**common, crops=CROPS, rank=rank, world=world, seed=1, start_position=first, workers=workers,
                    steps=STEPS - first // PLAN.global_batch, max_bad_fraction=1.0) as loader:  # fmt: skip
            for step in loader:
                for batch in step.batches:
                    found.update(zip(batch.positions.tolist(), batch.sample_ids, strict=True))
    return [found[position] for position in sorted(found)]


@pytest.fixture(scope="module")
def undisturbed(storage: Storage, data: OpenData) -> list[str]:
    return ids(storage, data)


@pytest.mark.parametrize(("world", "workers"), [(1, 4), (2, 0), (3, 1), (4, 2), (8, 3)])
@pytest.mark.parametrize("first", [0, 24, 72])
def test_the_sequence_is_one_for_all_process_counts_workers_and_starts(
    storage: Storage, data: OpenData, undisturbed: list[str], world: int, workers: int, first: int
) -> None:
    assert ids(storage, data, world, workers, first) == undisturbed[first:]


def test_the_memory_of_answers_is_used_again(
    storage: Storage, data: OpenData, undisturbed: list[str]
) -> None:
    reads = read_apart(storage)
    assert reads is not None
    found: list[str] = []

    def memories() -> int:
        return Path("/proc/self/maps").read_text().count("memfd:webssl-reads")

    with closing(reads):
        assert reads.is_up(300.0)
        with Loader(storage=storage, index=data.index, order=data.order, plan=PLAN, crops=CROPS, rank=0, world=1, seed=1, steps=40,
                    max_bad_fraction=1.0, workers=2, keep_bytes=0, reads=reads) as loader:  # fmt: skip
            for step in loader:
                found += [name for batch in step.batches for name in batch.sample_ids]
        until = time.monotonic() + 60
        while (
            reads.spare_lines < memories() and time.monotonic() < until
        ):  # the last thread ends a moment later
            time.sleep(0.01)
        # Four micro-batches are in the making, and each may read an image again while it has its own answers.
        assert reads.spare_lines == memories() <= 9
    assert found[: len(undisturbed)] == undisturbed


def test_only_chosen_and_whole_samples_are_seen(data: OpenData, undisturbed: list[str]) -> None:
    source = data.order.samples_at(np.arange(len(undisturbed))) >= len(CHOSEN)
    numbers = [int(name.rpartition("/")[2]) for name in undisturbed]
    assert {n for n, second in zip(numbers, source, strict=True) if not second} <= set(CHOSEN) - BROKEN
    assert not BROKEN & set(numbers)


def test_a_stored_index_over_s3_verifies_and_is_what_the_mixture_reads(data: OpenData) -> None:
    parts = data.index.parts  # type: ignore[attr-defined]
    assert isinstance(parts[1], StoredIndex)
    verify_store(parts[1])
