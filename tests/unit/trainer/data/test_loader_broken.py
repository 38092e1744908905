"""Broken samples: each is reported, its place is filled, nobody else is moved, and too many stop the run."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_trainer.data import CropSpec, Order, load_or_build_index
from webssl_trainer.data.assemble import stand_in
from webssl_trainer.data.loader import too_many_broken
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from tests.unit.trainer.data.conftest import MakeSet, picture
from tests.unit.trainer.data.loading import BROKEN, COUNT, Case


def not_a_number() -> bytes:
    """A TIFF of 32-bit floats, two of which are none."""
    values = np.full((32, 32), 0.5, dtype=np.float32)
    values[0, :2] = np.nan, np.inf
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def case(storage: Storage, make_set: MakeSet) -> Case:
    return Case(storage, load_or_build_index(storage, f"{make_set(COUNT, broken=BROKEN)}/*.tar"))


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    broken=st.frozensets(st.integers(0, 39), max_size=10),
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
