"""The loader: one global sequence for every world size, worker count, start and set of broken samples."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_trainer.data import (
    BatchPlan,
    CropSpec,
    DataIndex,
    Loader,
    Order,
    StepBatches,
    load_or_build_index,
)
from webssl_trainer.data.assemble import stand_in
from webssl_trainer.data.loader import too_many_broken
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, FsspecStorage, Storage

from tests.unit.trainer.data.conftest import picture

MakeSet = Callable[..., str]
SPEC = CropSpec(global_size=16, local_size=8, n_local=2)
PLAN = BatchPlan(global_batch=16, group_size=2, micro_batch=4)
COUNT = 50
BROKEN = frozenset({3, 17, 18, 41})


@dataclass(frozen=True)
class Case:
    """A data set and how to load it."""

    storage: Storage
    index: DataIndex

    def loader(self, **given: Any) -> Loader:
        arguments: dict[str, Any] = {
            "storage": self.storage, "index": self.index, "order": Order(11, len(self.index)), "plan": PLAN,
            "crops": SPEC, "rank": 0, "world": 1, "seed": 5, "steps": 4, "max_bad_fraction": 0.5,
        }  # fmt: skip
        return Loader(**{**arguments, **given})

    def steps(self, world: int = 1, **given: Any) -> list[list[tuple[Any, ...]]]:
        """For each step, all positions over all ranks: position, sample id, and a digest of the crops."""
        parts = [list(self.loader(rank=rank, world=world, **given)) for rank in range(world)]
        return [[row for part in step for row in rows(part)] for step in zip(*parts, strict=True)]


def not_a_number() -> bytes:
    """A TIFF of 32-bit floats, two of which are none."""
    values = np.full((32, 32), 0.5, dtype=np.float32)
    values[0, :2] = np.nan, np.inf
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    return buffer.getvalue()


def rows(step: StepBatches) -> list[tuple[Any, ...]]:
    found = []
    for batch in step.batches:
        for at, name in enumerate(batch.sample_ids):
            crops = (batch.global_crops[:, at].numpy().tobytes(), batch.local_crops[:, at].numpy().tobytes())
            found.append((int(batch.positions[at]), name, hash(crops)))
    return found


@pytest.fixture(scope="module")
def case(storage: Storage, make_set: MakeSet) -> Case:
    return Case(storage, load_or_build_index(storage, f"{make_set(COUNT, broken=BROKEN)}/*.tar"))


@pytest.fixture(scope="module")
def undisturbed(case: Case) -> list[list[tuple[Any, ...]]]:
    return case.steps(steps=8)


@pytest.mark.parametrize("world", [1, 2, 4, 8])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_global_sequence_is_the_same_for_every_world_size_and_worker_count(
    case: Case, undisturbed: list[list[tuple[Any, ...]]], world: int, workers: int
) -> None:
    assert case.steps(world, workers=workers) == undisturbed[:4]


def test_spawned_processes_give_the_same_sequence(
    case: Case, undisturbed: list[list[tuple[Any, ...]]]
) -> None:
    assert case.steps(workers=1, worker_kind="process", steps=2) == undisturbed[:2]


@pytest.mark.parametrize("start", range(1, 8))
def test_a_resumed_loader_goes_on_with_exactly_the_next_sample(
    case: Case, undisturbed: list[list[tuple[Any, ...]]], start: int
) -> None:
    position = start * PLAN.global_batch
    assert case.steps(2, start_position=position, steps=8 - start, workers=1) == undisturbed[start:]


def test_the_world_may_change_in_the_middle(case: Case, undisturbed: list[list[tuple[Any, ...]]]) -> None:
    sequence = []
    for step, world in enumerate([2, 1, 4, 2]):
        sequence += case.steps(world, start_position=step * PLAN.global_batch, steps=1)
    assert sequence == undisturbed[:4]


def test_the_sequence_is_the_order(case: Case) -> None:
    order = Order(11, COUNT)
    for position, name, _ in [row for step in case.steps(steps=6) for row in step]:
        wanted = order.sample_at(position)
        if wanted not in BROKEN:
            assert name == case.index.locate(wanted).sample_id


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    broken=st.frozensets(st.integers(0, 39), max_size=20),
    world=st.sampled_from([1, 2, 4]),
    workers=st.integers(0, 2),
)
def test_broken_samples_move_nobody_else(
    storage: Storage, make_set: MakeSet, broken: frozenset[int], world: int, workers: int
) -> None:
    plain = CropSpec(global_size=8, n_global=1, n_local=0)
    clean = Case(storage, load_or_build_index(storage, f"{make_set(40)}/*.tar"))
    spoilt = Case(storage, load_or_build_index(storage, f"{make_set(40, broken=broken)}/*.tar"))
    common: dict[str, Any] = {"order": Order(2, 40), "crops": plain, "steps": 3, "max_bad_fraction": 1.0}
    before = [row for step in clean.steps(**common) for row in step]
    after = [row for step in spoilt.steps(world, workers=workers, **common) for row in step]
    for (position, name, crops), row in zip(before, after, strict=True):
        wanted = Order(2, 40).sample_at(position)
        if wanted in broken:
            assert row[0] == position
            assert int(row[1].rpartition("/")[2]) not in broken
        else:
            assert row == (position, name, crops)


def test_a_broken_sample_is_reported_by_position_shard_and_key_and_its_place_is_filled(case: Case) -> None:
    loader = case.loader(steps=4)
    batches = [batch for step in loader for batch in step.batches]
    order = Order(11, COUNT)
    expected = [position for position in range(64) if order.sample_at(position) in BROKEN]
    assert [position for batch in batches for position in batch.stand_ins] == expected
    reports = {report.position: report for batch in reversed(batches) for report in reversed(batch.broken)}
    for position in expected:
        ref = case.index.locate(order.sample_at(position))
        assert (reports[position].shard, reports[position].key) == (ref.shard, ref.key)
        assert "cannot identify image" in reports[position].reason
    assert loader.counters.samples == 64
    assert loader.counters.stand_ins == len(expected)
    assert loader.counters.broken >= len(expected)


def test_an_image_with_pixels_that_are_not_numbers_is_a_broken_sample_with_its_reason(
    storage: Storage,
) -> None:
    base = "memory:///not-a-number"
    items = [PackItem(f"{n}", picture(n), "png") for n in range(15)]
    pack([*items, PackItem("spoilt", not_a_number(), "tiff")], storage, base, 16)
    index = load_or_build_index(storage, f"{base}/*.tar")
    loader = Case(storage, index).loader(order=Order(1, 16), steps=1)
    (report,) = {
        report for batch in next(loader).batches for report in batch.broken if report.key == "spoilt"
    }
    assert report.reason == "2 of 1024 pixels are NaN or infinite"
    assert loader.counters.stand_ins == 1


def test_the_stand_in_is_a_function_of_seed_position_and_try(case: Case) -> None:
    order = Order(11, COUNT)
    position = next(p for p in range(1000) if order.sample_at(p) in BROKEN)
    first = next(s for s in (stand_in(5, position, t, COUNT) for t in range(16)) if s not in BROKEN)
    rows_of_step = case.steps(start_position=position, steps=1)[0]
    assert rows_of_step[0][:2] == (position, case.index.locate(first).sample_id)


def test_batches_have_the_documented_shapes_and_are_bytes(case: Case) -> None:
    step = next(case.loader())
    assert (step.first, step.step, len(step.batches)) == (0, 0, 4)
    batch = step.batches[0]
    assert batch.global_crops.shape == (2, 4, 3, 16, 16)
    assert batch.local_crops.shape == (2, 4, 3, 8, 8)
    assert batch.global_crops.dtype == batch.local_crops.dtype == torch.uint8
    assert batch.positions.dtype == np.int64
    assert len(batch) == 4


def test_extras_come_with_their_image(case: Case) -> None:
    for step in case.loader(extras=("txt", "cls"), workers=1):
        for batch in step.batches:
            for name, extras in zip(batch.sample_ids, batch.extras, strict=True):
                number = int(name.rpartition("/")[2])
                assert extras == {"txt": f"picture {number}".encode(), "cls": str(number % 3).encode()}


@pytest.mark.parametrize("world", [1, 2])
def test_a_sample_without_a_caption_is_broken_and_moves_nobody_else(
    storage: Storage, make_set: MakeSet, world: int
) -> None:
    lacking, blank = frozenset({2, 9, 33}), frozenset({5})
    plain = CropSpec(global_size=8, n_global=1, n_local=0)
    common: dict[str, Any] = {"order": Order(2, 40), "crops": plain, "steps": 3, "max_bad_fraction": 1.0}
    whole = Case(storage, load_or_build_index(storage, f"{make_set(40)}/*.tar"))
    holed = make_set(
        40, captions=[None if n in lacking else " \n" if n in blank else f"picture {n}" for n in range(40)]
    )
    case = Case(storage, load_or_build_index(storage, f"{holed}/*.tar"))
    before = [row for step in whole.steps(**common) for row in step]
    after = [row for step in case.steps(world, extras=("txt",), **common) for row in step]
    for row, found in zip(before, after, strict=True):
        number = Order(2, 40).sample_at(row[0])
        if number in lacking | blank:
            assert int(found[1].rpartition("/")[2]) not in lacking | blank
        else:
            assert found == row
    loader = case.loader(extras=("txt",), **common)
    reasons = {report.key: report.reason for step in loader for b in step.batches for report in b.broken}
    assert {reasons[f"{number:05d}"] for number in lacking} == {"its .txt is missing"}
    assert reasons["00005"] == "its .txt is empty"
    assert loader.counters.stand_ins == sum(Order(2, 40).sample_at(p) in lacking | blank for p in range(48))
    assert (whole.index.count_with("txt"), case.index.count_with("txt"), case.index.count_with("json")) == (
        40,
        37,
        0,
    )


def test_without_a_number_of_steps_the_loader_goes_on_over_epochs(case: Case) -> None:
    with case.loader(steps=None, workers=1) as loader:
        names = [name for _ in range(10) for batch in next(loader).batches for name in batch.sample_ids]
        assert loader.position == 160
    assert len(set(names[:COUNT])) >= COUNT - len(BROKEN)
    assert names[:COUNT] != names[COUNT : 2 * COUNT]


def test_a_removed_shard_breaks_its_samples_only(storage: Storage, make_set: MakeSet) -> None:
    base = make_set(48)
    index = load_or_build_index(storage, f"{base}/*.tar")
    storage.delete(f"{base}/000001.tar")
    loader = Case(storage, index).loader(steps=3)
    batches = [batch for step in loader for batch in step.batches]
    assert not [name for batch in batches for name in batch.sample_ids if name.startswith("000001")]
    assert loader.counters.stand_ins == 16
    assert all("was removed" in report.reason for batch in batches for report in batch.broken)


def test_too_many_broken_samples_stop_the_run_with_their_share_and_the_mend(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(64, broken=frozenset(range(0, 64, 3)))
    case = Case(storage, load_or_build_index(storage, f"{base}/*.tar"))
    with pytest.raises(UserError, match=r"of \d+ samples are broken .*share of 0\.1; .*maxBadFraction"):
        list(case.loader(max_bad_fraction=0.1, steps=4))


def test_a_set_of_nothing_but_broken_images_stops_at_once(storage: Storage, make_set: MakeSet) -> None:
    base = make_set(20, broken=frozenset(range(20)))
    case = Case(storage, load_or_build_index(storage, f"{base}/*.tar"))
    with pytest.raises(UserError, match="16 stand-ins are all unusable"):
        next(case.loader(workers=1))


def test_the_first_ten_broken_samples_prove_nothing() -> None:
    assert not too_many_broken(10, 10, 0.05)
    assert too_many_broken(11, 100, 0.05)
    assert not too_many_broken(50, 1000, 0.05)


class GatedStorage(FsspecStorage):
    """A storage whose range reads wait until the gate opens, or the reader is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = 0

    def cat_ranges(self, ranges: Any, stop: threading.Event | None = None) -> list[bytes]:
        self.waiting += 1
        while not self.gate.is_set():
            if stop is not None and stop.wait(0.01):
                raise RuntimeError("stopped")
        return super().cat_ranges(ranges, stop)


def test_reading_ahead_is_bounded_and_ends_at_close(case: Case) -> None:
    gated = GatedStorage()
    gated.gate.set()
    loader = Case(gated, case.index).loader(workers=1, prefetch=3, steps=None)
    next(loader)
    assert gated.waiting <= 4 + 3 + 4  # what was used, what is ahead, and stand-ins
    gated.gate.clear()
    loader.close()
    loader.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)
    for thread in threading.enumerate():
        if thread.name.startswith("batch-"):
            thread.join(10)
            assert not thread.is_alive()


def test_an_error_of_the_storage_reaches_the_caller_and_closes_the_loader(case: Case) -> None:
    class Refusing(FsspecStorage):
        def cat_ranges(self, ranges: list[ByteRange], stop: Any = None) -> list[bytes]:
            raise UserError("read s3://b/x: access denied")

    loader = Case(Refusing(), case.index).loader(workers=2)
    with pytest.raises(UserError, match="access denied"):
        next(loader)
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)


def test_a_world_size_that_is_not_allowed_is_refused_before_any_read(case: Case) -> None:
    with pytest.raises(UserError, match="3 processes can not share"):
        case.loader(world=3)


def test_counters_tell_bytes_and_waiting(case: Case) -> None:
    times = iter(range(1000))
    loader = case.loader(clock=lambda: float(next(times)), steps=2, keep_bytes=0)
    list(loader)
    assert loader.counters.data_wait_seconds == 8.0
    assert loader.counters.bytes_read >= loader.counters.bytes_used > 0


def test_a_small_set_is_read_once_and_a_large_one_by_sample(
    case: Case, undisturbed: list[list[tuple[Any, ...]]]
) -> None:
    size = sum(case.storage.size(shard) for shard in case.index.shards)
    kept, streamed = case.loader(steps=20, workers=2), case.loader(steps=20, workers=2, keep_bytes=1000)
    list(kept)
    list(streamed)
    twice = 100 * len(BROKEN)  # what does not decode is read once more
    assert case.index.span_bytes <= kept.counters.bytes_read <= size + twice
    assert streamed.counters.bytes_read > 2 * size
    assert case.steps(workers=1, keep_bytes=1000) == undisturbed[:4]
