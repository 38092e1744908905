"""Which positions a process takes: docs/design/0001."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.data.plan import (
    BatchPlan,
    allowed_worlds,
    micro_batch_size,
    micro_batches,
    per_process,
    rank_positions,
    step_start,
    world_allowed,
)
from webssl_trainer.errors import UserError


@st.composite
def plans(draw: st.DrawFn) -> tuple[BatchPlan, int]:
    """A plan and a world size that is allowed for it."""
    group, per_rank, world = draw(st.integers(1, 8)), draw(st.integers(1, 24)), draw(st.integers(1, 16))
    limit = draw(st.one_of(st.just(0), st.integers(group, 200)))
    return BatchPlan(group * per_rank * world, group, limit), world


@given(plans(), st.integers(0, 10**12))
def test_the_ranks_of_a_step_share_its_positions_in_order_without_gap(
    case: tuple[BatchPlan, int], step: int
) -> None:
    plan, world = case
    first = step_start(step, plan)
    shared = [p for rank in range(world) for p in rank_positions(first, rank, world, plan)]
    assert shared == list(range(step * plan.global_batch, (step + 1) * plan.global_batch))


@given(plans())
def test_groups_are_never_split_over_processes_or_micro_batches(case: tuple[BatchPlan, int]) -> None:
    plan, world = case
    for rank in range(world):
        mine = rank_positions(0, rank, world, plan)
        for part in micro_batches(mine, micro_batch_size(world, plan)):
            assert part.start % plan.group_size == 0
            assert len(part) % plan.group_size == 0


@given(plans())
def test_micro_batches_have_one_size_within_the_limit_and_cover_the_share(
    case: tuple[BatchPlan, int],
) -> None:
    plan, world = case
    size = micro_batch_size(world, plan)
    parts = micro_batches(rank_positions(0, 0, world, plan), size)
    assert {len(part) for part in parts} == {size}
    assert sum(len(part) for part in parts) == per_process(world, plan)
    assert not plan.micro_batch or size <= plan.micro_batch


def test_allowed_world_sizes_divide_the_batch_into_whole_groups() -> None:
    assert allowed_worlds(BatchPlan(48, 4), 20) == [1, 2, 3, 4, 6, 12]
    assert not world_allowed(0, BatchPlan(48, 4))


def test_a_world_size_that_is_not_allowed_names_those_that_are() -> None:
    with pytest.raises(UserError, match=r"5 processes.*globalBatchSize=48.*groups of 4.*\[1, 2, 3, 4\]"):
        rank_positions(0, 0, 5, BatchPlan(48, 4))


@pytest.mark.parametrize("numbers", [(0, 1, 0), (8, 3, 0), (8, 4, 2), (8, 0, 0), (8, 1, -1)])
def test_a_plan_that_can_not_be_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(UserError):
        BatchPlan(*numbers)
