"""Reading through a cache of blocks: the same bytes in any case, and whole windows where that pays."""

from __future__ import annotations

import io
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_trainer.data import BatchPlan, CacheSpec, CropSpec, DataIndex, Loader, Order, load_or_build_index
from webssl_trainer.data.block_cache import BlockCache
from webssl_trainer.data.chunk_store import ChunkStore
from webssl_trainer.data.fill_plan import pays, read_over_used, time_of, windows_at
from webssl_trainer.data.mixture import CYCLE, MixtureOrder
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.data.read_ranges import window_blocks
from webssl_trainer.storage import ByteRange, Storage, StorageNotFoundError

OBJECTS = {"a": bytes(range(256)) * 2, "b": b"xyz" * 30}
CROPS = CropSpec(global_size=16, n_global=1, n_local=0)


class Source:
    """Objects in memory, with a count of the bytes asked for."""

    def __init__(self) -> None:
        self.bytes_sent = 0
        self.gone: set[str] = set()

    def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
        if any(item.url in self.gone for item in ranges):
            raise StorageNotFoundError("gone")
        answers = [OBJECTS[item.url][item.start : item.end] for item in ranges]
        self.bytes_sent += sum(map(len, answers))
        return answers

    def read_into(
        self, ranges: Sequence[ByteRange], rooms: Sequence[memoryview], stop: threading.Event | None = None
    ) -> list[int]:
        answers = self.cat_ranges(ranges, stop)
        for answer, room in zip(answers, rooms, strict=True):
            room[: len(answer)] = answer
        return [len(answer) for answer in answers]


RANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 89), st.integers(0, 400)).map(
        lambda item: ByteRange(item[0], item[1], item[1] + item[2])
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(RANGES, RANGES, st.integers(1, 100), st.integers(50, 3000))
def test_whatever_was_brought_and_whatever_fits_the_bytes_are_those_of_the_objects(
    brought: list[ByteRange], asked: list[ByteRange], chunk: int, most: int
) -> None:
    with tempfile.TemporaryDirectory() as home:
        cache = BlockCache(Source(), ChunkStore(Path(home) / "c", most), chunk)
        for at, item in enumerate(brought):
            cache.fill([item], at + 2, at, threading.Event())
            assert cache.cat_ranges(asked) == [OBJECTS[r.url][r.start : r.end] for r in asked]
            assert cache.store.used <= most


def test_what_was_brought_is_not_asked_for_again(tmp_path: Path) -> None:
    source = Source()
    cache = BlockCache(source, ChunkStore(tmp_path / "c", 10_000), 64)
    assert cache.fill([ByteRange("a", 100, 300)], 1, 0, threading.Event())
    assert source.bytes_sent == cache.bytes_read == 320 - 64
    assert cache.cat_ranges([ByteRange("a", 70, 310)]) == [OBJECTS["a"][70:310]]
    assert cache.fill([ByteRange("a", 100, 300)], 5, 0, threading.Event())
    assert source.bytes_sent == 320 - 64
    assert cache.bytes_found == 240
    cache.forget([ByteRange("a", 100, 101)])
    assert cache.cat_ranges([ByteRange("a", 70, 310)]) == [OBJECTS["a"][70:310]]
    assert source.bytes_sent == 320 - 64 + 240


def test_two_processes_do_not_bring_the_same_chunks_at_a_time(tmp_path: Path) -> None:
    class Slow(Source):
        def cat_ranges(self, ranges: Sequence[ByteRange], stop: threading.Event | None = None) -> list[bytes]:
            entered.set()
            go_on.wait(120)
            return super().cat_ranges(ranges, stop)

    entered, go_on = threading.Event(), threading.Event()
    slow, quick = Slow(), Source()
    reads = [ByteRange("a", 0, 512)]
    one, other = (BlockCache(source, ChunkStore(tmp_path / "c", 10_000), 64) for source in (slow, quick))
    bringing = threading.Thread(target=one.fill, args=(reads, 1, 0, threading.Event()))
    bringing.start()
    assert entered.wait(120)
    assert other.fill(reads, 1, 0, threading.Event())
    assert quick.bytes_sent == 0
    assert other.cat_ranges(reads) == [OBJECTS["a"]]  # it reads by itself meanwhile
    go_on.set()
    bringing.join()
    assert other.cat_ranges(reads) == [OBJECTS["a"]]
    assert (slow.bytes_sent, quick.bytes_sent) == (512, 512)


ORDERS: list[tuple[Order | MixtureOrder, range]] = [
    (Order(1, 1000, 7, 13), range(0, 3000, 97)),
    (Order(2, 5, 16, 1024), range(12)),
    (
        MixtureOrder(3, (Order(4, 500_000, 16, 1024), Order(5, 300, 16, 1024)), (5.0, 1.0)),
        range(0, 4 * CYCLE, CYCLE // 3 + 1),
    ),
]


@pytest.mark.parametrize(("order", "places"), ORDERS)
def test_the_windows_of_a_position_hold_its_sample_and_end_behind_it(
    order: Order | MixtureOrder, places: range
) -> None:
    for position in places:
        now, after = windows_at(order, position)
        sample = int(order.samples_at(np.array([position]))[0])
        blocks = [
            range(w.first + b.start, w.first + b.stop) for w in now for b in window_blocks(w.order, w.place)
        ]
        assert any(sample in block for block in blocks)
        assert all(window.until > position and 0 < window.left <= 1 for window in now)
        assert all(window.left == 1 for window in after)
        last = {window.first: window for window in now}
        assert [window.first for window in after] == list(last)
        assert all(last[window.first].until <= window.until for window in after)
        assert time_of(position) <= min(time_of(window.until) for window in now)


@pytest.mark.parametrize(
    ("world", "local", "used", "block", "factor"),
    [
        (8, 8, 1.0, 120, 1 + 1 / 12),  # one node
        (16, 8, 1.0, 120, 2 + 2 / 12),  # two: each reads all
        (64, 8, 1.0, 120, 8 + 8 / 12),
        (8, 8, 0.5, 120, 2 + 2 / 12),  # half of the bytes are of no use
        (8, 8, 0.013, 120, 83.3),
        (1, 1, 1.0, 10, 2.0),  # blocks as small as a chunk
    ],
)
def test_bytes_read_over_bytes_used_by_nodes_filter_and_block(
    world: int, local: int, used: float, block: int, factor: float
) -> None:
    size, stride = 10**7, 100_000
    order = Order(0, size, block, 1024)
    span = size * stride
    found = read_over_used(order, span, int(used * span), world, local, chunk=10**6)
    assert found == pytest.approx(factor, rel=0.01)


def test_a_window_that_is_the_whole_epoch_has_no_ends() -> None:
    assert read_over_used(Order(0, 1000, 16, 1024), 10**6, 10**6, 1, 1, chunk=10**6) == 1.0


def test_a_window_pays_as_long_as_enough_of_it_is_left() -> None:
    order = Order(0, 100_000, 10, 1024)
    ((early,), _), ((late,), (following,)) = windows_at(order, 1000), windows_at(order, 9000)
    assert pays(1.1, early)
    assert not pays(1.1, late)
    assert pays(1.1, following)
    assert not pays(2.1, early)


def packed(storage: Storage, count: int, broken: frozenset[int] = frozenset()) -> DataIndex:
    """Images of 12 KB, sixteen to a shard."""
    items = []
    for number in range(count):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        items.append(
            PackItem(f"{number:05d}", b"broken" * 2000 if number in broken else buffer.getvalue(), "png")
        )
    base = f"memory:///{uuid.uuid4().hex}"
    pack(items, storage, base, 16)
    return load_or_build_index(storage, f"{base}/*.tar")


def loader_of(storage: Storage, index: DataIndex, cache: CacheSpec | None, **given: Any) -> Loader:
    arguments: dict[str, Any] = {
        "storage": storage, "index": index, "order": Order(7, len(index), 4, 8), "plan": BatchPlan(16), "crops": CROPS,
        "rank": 0, "world": 1, "seed": 1, "keep_bytes": 0, "cache": cache, "max_bad_fraction": 1.0,
    }  # fmt: skip
    return Loader(**{**arguments, **given})


def pixels_of(loader: Loader, between: Callable[[], object] = bool) -> list[bytes]:
    """The crops of all steps; `between` is called after the first."""
    found = []
    with loader:
        for step in loader:
            found += [batch.global_crops.numpy().tobytes() for batch in step.batches]
            if len(found) == 1:
                between()
    return found


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def spec(folder: Path, most: int = 10**9) -> CacheSpec:
    return CacheSpec(folder, most, chunk=4096)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_through_a_cache_are_those_without_one(
    storage: Storage, tmp_path: Path, workers: int
) -> None:
    index = packed(storage, 64, broken=frozenset({3, 50}))
    expected = pixels_of(plain := loader_of(storage, index, None, steps=8, workers=workers))
    store = ChunkStore(tmp_path / "c", 10**9, index.digest)
    refs = index.locate_all(range(64))
    wanted = {store.name(ref.shard, (ref.offset + at) // 4096) for ref in refs for at in range(ref.length)}
    first = loader_of(
        storage, index, spec(tmp_path / "c"), steps=8, workers=workers, order=Order(7, 64, 4, 1024)
    )
    pixels_of(first, lambda: until(lambda: all(store.has(name, 0) for name in wanted)))
    second = loader_of(storage, index, spec(tmp_path / "c"), steps=8, workers=workers)
    assert pixels_of(second) == expected
    assert second.counters.bytes_cached > 0.9 * second.counters.bytes_used
    assert second.counters.bytes_read < 0.3 * plain.counters.bytes_read


def test_windows_come_one_after_the_other_and_reads_never_wait_for_them(
    storage: Storage, tmp_path: Path
) -> None:
    index = packed(storage, 96)
    expected = pixels_of(loader_of(storage, index, None, steps=14))
    moving = loader_of(storage, index, spec(tmp_path / "c"), steps=14, workers=2)
    assert pixels_of(moving) == expected


def test_a_cache_that_is_too_small_or_can_not_be_made_costs_nothing_but_requests(
    storage: Storage, tmp_path: Path
) -> None:
    index = packed(storage, 64)
    expected = pixels_of(loader_of(storage, index, None, steps=4))
    small = loader_of(storage, index, spec(tmp_path / "c", 20_000), steps=4)
    troubles = small._kept.store.troubles  # type: ignore[union-attr]
    until(lambda: troubles["full"] > 0)  # before the first step, after which a window may go for the next one
    assert pixels_of(small) == expected
    assert small.counters.cache_troubles["full"] > 0
    (tmp_path / "file").write_text("")
    impossible = loader_of(storage, index, spec(tmp_path / "file" / "c"), steps=4)
    assert pixels_of(impossible) == expected
    assert impossible.counters.bytes_cached == 0


def test_many_nodes_read_their_own_samples_only(storage: Storage, tmp_path: Path) -> None:
    with loader_of(storage, packed(storage, 32), spec(tmp_path / "c"), world=4, steps=1) as loader:
        next(loader)
    assert not (tmp_path / "c").exists()


def test_a_missing_shard_does_not_keep_the_others_out(storage: Storage, tmp_path: Path) -> None:
    index = packed(storage, 64)
    storage.delete(index.shards[1])
    with loader_of(storage, index, spec(tmp_path / "c"), order=Order(7, 64, 4, 1024)) as loader:
        next(loader)
        store = ChunkStore(tmp_path / "c", 10**9, index.digest)
        until(lambda: all(store.has(store.name(index.shards[at], 1), 0) for at in (0, 2, 3)))
        assert [store.has(store.name(url, 1), 0) for url in index.shards] == [True, False, True, True]


def test_bytes_that_were_spoilt_on_their_way_into_the_cache_are_read_again_and_forgotten(
    storage: Storage, tmp_path: Path
) -> None:
    index = packed(storage, 16)
    expected = pixels_of(loader_of(storage, index, None, steps=1))
    store = ChunkStore(tmp_path / "c", 10**9, index.digest)
    ref = index.locate(5)
    whole = storage.read(ref.shard)
    for number in range(-(-len(whole) // 4096)):
        piece = bytearray(whole[number * 4096 : (number + 1) * 4096])
        if ref.offset // 4096 == number:
            piece[ref.offset % 4096 : ref.offset % 4096 + 8] = b"spoilt.."
        assert store.put(store.name(ref.shard, number), bytes(piece), 1, 0)
    with loader_of(storage, index, spec(tmp_path / "c"), steps=1) as loader:
        batch = next(loader).batches[0]
    assert [batch.global_crops.numpy().tobytes()] == expected
    assert (batch.read_again, batch.broken) == (1, [])
    found = store.read(store.name(ref.shard, ref.offset // 4096), ref.offset % 4096, ref.offset % 4096 + 8)
    assert found in (None, whole[ref.offset : ref.offset + 8])  # the filling may have brought it again
