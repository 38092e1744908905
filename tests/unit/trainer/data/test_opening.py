"""Opening a run's data: filtered and mixed, pinned under one digest, the same after tables and shards have changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from webssl_trainer.data import (
    BatchPlan,
    CropSpec,
    Filter,
    Loader,
    MixtureOrder,
    OpenData,
    Order,
    Source,
    load_data,
    prepare_data,
)
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

MakeSet = Callable[..., str]
CROPS = CropSpec(global_size=8, n_global=1, n_local=0, photometric_global=())
PLAN = BatchPlan(global_batch=24, group_size=1, micro_batch=4)


def folder() -> str:
    return f"memory:///{uuid.uuid4().hex}"


def table_of(storage: Storage, keys: list[int], url: str | None = None) -> str:
    url = url or f"{folder()}/keys.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"key": [f"{key:05d}" for key in keys]}), sink)
    storage.put(url, sink.getvalue().to_pybytes())
    return url


def ids(storage: Storage, data: OpenData, world: int = 1, first: int = 0, steps: int = 4) -> list[str]:
    """Sample ids of all processes in the order of the positions."""
    found: dict[int, str] = {}
    for rank in range(world):
        common: dict[str, Any] = {"storage": storage, "index": data.index, "order": data.order, "plan": PLAN}
        with Loader(**common, crops=CROPS, rank=rank, world=world, seed=1, start_position=first,
                    steps=steps - first // PLAN.global_batch, max_bad_fraction=1.0, workers=1) as loader:  # fmt: skip
            for step in loader:
                for batch in step.batches:
                    found.update(zip(batch.positions.tolist(), batch.sample_ids, strict=True))
    return [found[position] for position in sorted(found)]


def test_a_plain_source_is_pinned_by_its_index_as_ever(storage: Storage, make_set: MakeSet) -> None:
    cache = folder()
    digest = prepare_data(storage, [Source(f"{make_set(20)}/*.tar", weight=3.0)], cache)
    data = load_data(storage, cache, digest, seed=4)
    assert data.digest == data.index.digest == digest
    assert data.order == Order(4, 20)
    assert len(storage.list_objects(cache)) == 1


def test_neighbours_are_pinned_with_the_order(storage: Storage, make_set: MakeSet) -> None:
    cache, source = folder(), Source(f"{make_set(40)}/*.tar")
    digest = prepare_data(storage, [source], cache, neighbours=4)
    data = load_data(storage, cache, digest, seed=4)
    assert data.order == Order(4, 40, 16, 1024, 4)
    numbers = [int(name.rpartition("/")[2]) for name in ids(storage, data, world=3, steps=5)[:40]]
    assert sorted(numbers) == list(range(40))
    runs = np.array(numbers).reshape(-1, 4)
    assert np.array_equal(runs, (runs[:, :1] + np.arange(4)) % 40)
    # What a run without them is pinned by does not change.
    assert prepare_data(storage, [source], cache, neighbours=1) == data.index.digest


@pytest.mark.parametrize("neighbours", [-4, 0, 3])
def test_neighbours_are_a_power_of_two(storage: Storage, neighbours: int) -> None:
    with pytest.raises(UserError, match=f"neighbours={neighbours} is no power of two; use 1, 2, 4"):
        prepare_data(storage, [Source("memory://none/*.tar")], folder(), neighbours=neighbours)


def test_a_mixture_of_few_samples_a_step_keeps_no_neighbours(storage: Storage, make_set: MakeSet) -> None:
    cache = folder()
    sources = [Source(f"{make_set(40)}/*.tar"), Source(f"{make_set(30)}/*.tar")]
    plain = prepare_data(storage, sources, cache)
    assert prepare_data(storage, sources, cache, global_batch=64) == plain
    order = load_data(storage, cache, prepare_data(storage, sources, cache, neighbours=8), seed=0).order
    assert order.neighbours == 8


def test_a_filtered_run_sees_the_chosen_samples_only_each_once_an_epoch(
    storage: Storage, make_set: MakeSet
) -> None:
    keep = [1, 2, 5, 17, 18, 33]
    source = Source(f"{make_set(40)}/*.tar", filter=Filter(table_of(storage, keep)))
    cache = folder()
    data = load_data(storage, cache, prepare_data(storage, [source], cache), seed=0)
    seen = [int(name.rpartition("/")[2]) for name in ids(storage, data)]
    assert [sorted(seen[at : at + 6]) for at in range(0, 96, 6)] == [keep] * 16


def test_a_filter_of_one_in_a_hundred_reads_little_more_than_it_uses(
    storage: Storage, make_set: MakeSet
) -> None:
    source = Source(f"{make_set(200)}/*.tar", filter=Filter(table_of(storage, [50, 150])))
    cache = folder()
    data = load_data(storage, cache, prepare_data(storage, [source], cache), seed=0)
    with Loader(storage=storage, index=data.index, order=data.order, plan=PLAN, crops=CROPS, rank=0, world=1,
                seed=1, steps=3) as loader:  # fmt: skip
        assert len(list(loader)) == 3
        counters = loader.counters
    assert counters.bytes_read <= 3 * counters.bytes_used


@pytest.mark.parametrize("broken", [frozenset[int](), frozenset({2, 17, 18})])
def test_filters_and_mixtures_are_exact_for_every_world_and_start_through_the_loader(
    storage: Storage, make_set: MakeSet, broken: frozenset[int]
) -> None:
    some = Filter(table_of(storage, [1, 2, 5, 17, 18, 33]))
    sources = [
        Source(f"{make_set(40, broken=broken)}/*.tar", weight=1.0, filter=some),
        Source(f"{make_set(30)}/*.tar", weight=2.0),
    ]
    cache = folder()
    data = load_data(storage, cache, prepare_data(storage, sources, cache), seed=7)
    assert isinstance(data.order, MixtureOrder)
    whole = ids(storage, data)
    assert ids(storage, data, world=3) == whole
    assert ids(storage, data, world=8, first=48) == whole[48:]
    source, _ = data.order.sources_at(np.arange(96))
    pools = [{1, 2, 5, 17, 18, 33} - broken, set(range(30))]
    assert all(
        int(name.rpartition("/")[2]) in pools[number] for name, number in zip(whole, source, strict=True)
    )


def test_a_started_run_keeps_its_samples_when_the_table_and_the_shards_change(
    storage: Storage, make_set: MakeSet
) -> None:
    base, cache = make_set(40), folder()
    table = table_of(storage, [3, 4, 9])
    source = Source(f"{base}/*.tar", filter=Filter(table))
    digest = prepare_data(storage, [source], cache)
    before = load_data(storage, cache, digest, seed=0)
    table_of(storage, [3, 4, 9, 11], table)
    storage.put(f"{base}/zzz.tar", storage.read(f"{base}/000000.tar"))
    after = load_data(storage, cache, digest, seed=0)
    assert ids(storage, after, steps=1) == ids(storage, before, steps=1)
    assert prepare_data(storage, [source], cache) != digest


def test_what_a_description_names_is_checked_when_it_is_loaded(storage: Storage, make_set: MakeSet) -> None:
    cache = folder()
    source = Source(f"{make_set(20)}/*.tar", filter=Filter(table_of(storage, [3])))
    digest = prepare_data(storage, [source], cache)
    (kept,) = (info.url for info in storage.list_objects(cache) if info.url.endswith(".selection"))
    other = prepare_data(
        storage, [Source(f"{make_set(20)}/*.tar", filter=Filter(table_of(storage, [4])))], cache
    )
    (second,) = (i.url for i in storage.list_objects(cache) if i.url.endswith(".selection") and i.url != kept)
    assert other != digest
    storage.put(kept, storage.read(second))
    with pytest.raises(UserError, match=r"is damaged \(its contents have the digest"):
        load_data(storage, cache, digest, seed=0)
    storage.delete(kept)
    with pytest.raises(UserError, match="is gone; restore it"):
        load_data(storage, cache, digest, seed=0)
    storage.put(f"{cache}/index/{digest}.json", b"{}")
    with pytest.raises(UserError, match="its contents have another digest"):
        load_data(storage, cache, digest, seed=0)
