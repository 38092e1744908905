"""The loader: one global sequence for every world size, worker count, start and set of broken samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from webssl_trainer.data import Order, load_or_build_index
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from tests.unit.trainer.data.conftest import MakeSet
from tests.unit.trainer.data.loading import BROKEN, COUNT, PLAN, Case


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


def test_without_a_number_of_steps_the_loader_goes_on_over_epochs(case: Case) -> None:
    with case.loader(steps=None, workers=1) as loader:
        names = [name for _ in range(10) for batch in next(loader).batches for name in batch.sample_ids]
        assert loader.position == 160
    assert len(set(names[:COUNT])) >= COUNT - len(BROKEN)
    assert names[:COUNT] != names[COUNT : 2 * COUNT]


def test_a_world_size_that_is_not_allowed_is_refused_before_any_read(case: Case) -> None:
    with pytest.raises(UserError, match="3 processes can not share"):
        case.loader(world=3)
