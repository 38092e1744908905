"""The stored index: made once, in steps that may be cut, extended when shards come, read by number in bounded memory."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from webssl_trainer.data import (
    Order,
    Source,
    TableIndex,
    load_data,
    load_or_build_index,
    prepare_data,
)
from webssl_trainer.data.samples import Part, ShardSample
from webssl_trainer.data.shards import Shard
from webssl_trainer.data.store_find import default_folder, find_store, read_current
from webssl_trainer.data.store_format import FOLDER, ROW_SCHEMA, pack_shard
from webssl_trainer.data.store_make import Made, make_store, verify_store
from webssl_trainer.data.stored_index import StoredIndex
from webssl_trainer.errors import UserError
from webssl_trainer.storage import FsspecStorage, Storage, StorageDeniedError, open_storage

MakeSet = Callable[..., str]


def tar_of(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    return buffer.getvalue()


def made(storage: Storage, base: str, **options: Any) -> Made:
    return make_store(storage, f"{base}/*.tar", f"{base}/{FOLDER}", **options)


def opened(storage: Storage, source: str, folder: str | None = None) -> StoredIndex:
    index = find_store(storage, source, folder)
    assert index is not None
    return index


class Counting(FsspecStorage):
    """A storage that counts the shards it is asked for, and breaks at one of them."""

    def __init__(self, break_at: int | None = None) -> None:
        super().__init__()
        self.shards: set[str] = set()
        self.break_at = break_at

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if url.endswith(".tar"):
            if self.break_at is not None and url not in self.shards and len(self.shards) == self.break_at:
                raise KeyboardInterrupt
            self.shards.add(url)
        return super().read(url, start, end)


def test_it_answers_as_the_index_in_memory_does(storage: Storage, make_set: MakeSet) -> None:
    base = make_set(40)
    storage.put(f"{base}/000001b.tar", tar_of([f"big{at}.jpg" for at in range(2500)]))
    storage.put(f"{base}/000001c.tar", tar_of(["only.txt"]))
    storage.put(f"{base}/zzz.tar", storage.read(f"{base}/000000.tar")[:9000])
    made(storage, base)
    ours, table = opened(storage, f"{base}/*.tar"), load_or_build_index(storage, f"{base}/*.tar")
    assert len(ours) == len(table)
    assert ours.locate_all(range(len(table))) == table.locate_all(range(len(table)))
    assert ours.shard_counts.tolist() == table.shard_counts.tolist()
    assert list(ours.shards) == table.shards
    for name in ("damage", "without_image", "image_bytes", "span_bytes"):
        assert getattr(ours, name) == getattr(table, name)
    assert ours.count_with("txt") == table.count_with("txt") > 0
    assert ours.count_with("nothing") == 0
    assert [ours.keys_of(at).to_pylist() for at in range(5)] == [
        table.keys_of(at).to_pylist() for at in range(5)
    ]
    assert ours.counts("formats") == {"jpg": 2500, "png": 40 + int(ours.shard_counts[-1])}
    with pytest.raises(IndexError):
        ours.locate(len(ours))


def test_a_cut_try_is_gone_on_with_and_gives_the_same_index(make_set: MakeSet) -> None:
    base = make_set(60, per_shard=4)
    whole = made(open_storage(), base).current
    other = f"memory:///{uuid.uuid4().hex}"
    shards = f"{base}/*.tar"
    ticks = iter(range(0, 10**6, 100))  # every shard is a part of its own
    with pytest.raises(KeyboardInterrupt):
        make_store(Counting(break_at=9), shards, other, threads=1, clock=lambda: float(next(ticks)))
    assert read_current(open_storage(), other) is None
    again = Counting()
    told: list[tuple[int, int]] = []
    second = make_store(again, shards, other, threads=4, progress=lambda *at: told.append(at))
    assert 1 <= second.known <= 9
    assert len(again.shards) == second.read == 15 - second.known
    assert told == [(done, 15) for done in range(second.known, 16)]
    ours, first = opened(open_storage(), f"{base}/*.tar", other), opened(open_storage(), f"{base}/*.tar")
    assert ours.locate_all(range(60)) == first.locate_all(range(60))
    assert second.current.samples == whole.samples == 60
    assert open_storage().list_objects(f"{other}/pieces") == []


def test_added_and_changed_shards_alone_are_read_and_gone_ones_leave(make_set: MakeSet) -> None:
    base = make_set(40, per_shard=10)
    assert made(open_storage(), base).read == 4
    storage = Counting()
    assert made(storage, base).read == 0
    storage.put(f"{base}/new.tar", tar_of(["n.jpg"]))
    storage.put(f"{base}/000001.tar", tar_of(["m.jpg", "o.jpg"]))
    storage.delete(f"{base}/000003.tar")
    outcome = made(storage, base)
    assert (outcome.read, outcome.known, outcome.current.samples) == (2, 2, 23)
    assert {url.rpartition("/")[2] for url in storage.shards} == {"new.tar", "000001.tar"}
    assert outcome.dropped == 2  # the one that is gone, and the old form of the one that changed


def test_a_run_uses_the_index_beside_its_shards_and_keeps_it_when_it_is_made_again(
    storage: Storage, make_set: MakeSet
) -> None:
    base, cache = make_set(40), f"memory:///{uuid.uuid4().hex}"
    made(storage, base)
    digest = prepare_data(storage, [Source(f"{base}/*.tar")], cache)
    before = load_data(storage, cache, digest, seed=3)
    assert isinstance(before.index, StoredIndex)
    assert isinstance(before.order, Order)
    storage.put(f"{base}/new.tar", tar_of(["n.jpg"]))
    made(storage, base)
    after = load_data(storage, cache, digest, seed=3)
    assert (len(after.index), after.order, after.digest) == (40, before.order, digest)
    assert prepare_data(storage, [Source(f"{base}/*.tar")], cache) != digest
    pinned = [info for info in storage.list_objects(cache) if info.url.endswith(".json")]
    assert max(info.size for info in pinned) < 1024


def test_a_source_of_some_shards_sees_those_and_names_what_the_index_lacks(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(60, per_shard=10)
    made(storage, base)
    some = opened(storage, f"{base}/{{000001..000002}}.tar")
    assert [ref.key for ref in some.locate_all(range(20))] == [f"{at:05d}" for at in range(10, 30)]
    assert len(opened(storage, f"{base}/00000[35].tar")) == 20
    lacking = opened(storage, f"{base}/{{000004..000007}}.tar")
    assert len(lacking) == 20
    assert [(item.shard.rpartition("/")[2], item.reason) for item in lacking.damage] == [
        ("000006.tar", "not in the index"), ("000007.tar", "not in the index"),
    ]  # fmt: skip
    storage.put(f"{base}/x.tar", tar_of(["n.jpg"]))
    with pytest.raises(UserError, match="has none of the shards"):
        find_store(storage, f"{base}/x.tar")
    with pytest.raises(UserError, match="has no index: write one with webssl index"):
        find_store(storage, f"{base}/*.tar", f"memory:///{uuid.uuid4().hex}")
    assert find_store(storage, f"memory:///{uuid.uuid4().hex}/*.tar") is None


def test_damage_of_the_index_is_named_when_it_is_met_and_found_by_verifying(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(40)
    made(storage, base)
    verify_store(opened(storage, f"{base}/*.tar"))
    (part,) = storage.list_objects(f"{base}/{FOLDER}/parts")
    data = bytearray(storage.read(part.url))
    data[len(data) // 2] ^= 1
    storage.put(part.url, bytes(data))
    index = opened(storage, f"{base}/*.tar")
    with pytest.raises(UserError, match="has other contents than the catalogue says; run webssl index again"):
        index.locate_all(range(40))
    with pytest.raises(UserError, match=r"of .*000001\.tar can not be read"):
        verify_store(index)
    storage.put(f"{base}/{FOLDER}/current.json", b"{}")
    with pytest.raises(UserError, match=r"current\.json is damaged"):
        find_store(storage, f"{base}/*.tar")


def test_several_sources_share_a_folder_and_one_made_anew_leaves_the_others(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(60, per_shard=10)
    folder = f"{base}/{FOLDER}"
    for source, total in (
        (f"{base}/{{000000..000001}}.tar", 20),
        (f"{base}/00000[45].tar", 40),
        (f"{base}/*.tar", 60),
    ):
        assert make_store(storage, source, folder).current.samples == total
    storage.delete(f"{base}/000001.tar")
    storage.delete(f"{base}/000005.tar")
    again = make_store(storage, f"{base}/00000[45].tar", folder)
    assert (again.read, again.known, again.dropped, again.current.samples) == (0, 1, 1, 50)
    assert len(opened(storage, f"{base}/*.tar")) == 50


class Refusing(FsspecStorage):
    """A storage that denies what it does not know, as S3 does without the right to list."""

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if url.endswith("current.json"):
            raise StorageDeniedError(f"{url}: access denied")
        return super().read(url, start, end)


def test_a_place_that_may_not_be_read_has_no_index_unless_it_was_named(make_set: MakeSet) -> None:
    base = make_set(20)
    assert find_store(Refusing(), f"{base}/*.tar") is None
    with pytest.raises(StorageDeniedError):
        find_store(Refusing(), f"{base}/*.tar", f"{base}/{FOLDER}")


def test_shards_without_any_image_make_no_index(storage: Storage) -> None:
    base = f"memory:///{uuid.uuid4().hex}"
    storage.put(f"{base}/a.tar", tar_of(["a.txt"]))
    with pytest.raises(UserError, match="no image in 1 shards"):
        made(storage, base)


def test_the_index_lies_beside_the_shards() -> None:
    assert default_folder("s3://b/d/{000..100}.tar") == f"s3://b/d/{FOLDER}"
    assert default_folder("s3://b/d/part-*/x.tar") == f"s3://b/d/{FOLDER}"
    assert default_folder("s3://b/list.txt") == f"s3://b/{FOLDER}"


def synthetic(storage: Storage, shards: int, per_shard: int) -> StoredIndex:
    """An index of many equal shards; they share the groups of one."""
    folder = f"memory:///{uuid.uuid4().hex}"
    samples = [
        ShardSample(f"{at:09d}", Part("jpg", 512 + at * 100_000, 99_000), (Part("txt", 0, 10),))
        for at in range(per_shard)
    ]
    packed = pack_shard(Shard("x", per_shard * 100_000, "v"), samples, None, 0)
    storage.put(f"{folder}/parts/p.bin", b"".join(packed.groups))
    row = pa.Table.from_pylist([{**packed.row, "part": "p", "first_byte": 0}], schema=ROW_SCHEMA)
    rows = row.take(pa.array(np.zeros(shards, dtype=np.int64)))
    urls = pa.array([f"s3://bucket/shards/{at:06d}.tar" for at in range(shards)], pa.large_string())
    return StoredIndex(storage, folder, rows.set_column(0, "url", urls), keep_bytes=1 << 20)


def test_two_billion_samples_are_found_by_number_in_bounded_memory(storage: Storage) -> None:
    index = synthetic(storage, 100_000, 20_000)
    assert len(index) == 2_000_000_000
    assert index.nbytes < 100 << 20
    numbers = np.random.default_rng(0).integers(0, len(index), 200).tolist()
    for number, ref in zip(numbers, index.locate_all(numbers), strict=True):
        assert (ref.shard, ref.key) == (
            f"s3://bucket/shards/{number // 20_000:06d}.tar",
            f"{number % 20_000:09d}",
        )
    assert index.held_bytes <= (1 << 20) + (200 << 10)


def test_the_index_in_memory_and_the_stored_one_are_different_identities(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(20)
    made(storage, base)
    table: TableIndex = load_or_build_index(storage, f"{base}/*.tar")
    assert opened(storage, f"{base}/*.tar").digest != table.digest
