"""The order of samples: a permutation in each epoch, pure, local, and well mixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data.order import Order

FIXED_SMALL = [142, 773, 948, 120, 382, 656, 122, 159]
FIXED_LARGE = [291483406, 489962589, 670837975, 782343139]
SEEDS = st.integers(0, 2**64 - 1)
FIXED_RUNS = [397, 398, 399, 400, 457, 458, 459, 460]


@st.composite
def orders(draw: st.DrawFn, neighbours: st.SearchStrategy[int]) -> Order:
    run = draw(neighbours)
    block = run * draw(st.integers(1, 40 // run))
    return Order(draw(SEEDS), draw(st.integers(1, 3000)), block, draw(st.integers(1, 30)), run)


ORDERS = orders(st.sampled_from([1, 1, 2, 4, 16]))


@settings(deadline=None)
@given(ORDERS, st.integers(0, 1000))
def test_every_epoch_uses_every_sample_exactly_once(order: Order, epoch: int) -> None:
    used = order.samples_at(np.arange(epoch * order.size, (epoch + 1) * order.size))
    assert np.array_equal(np.sort(used), np.arange(order.size))


@settings(deadline=None)
@given(ORDERS, st.lists(st.integers(0, 10**12), max_size=50))
def test_a_position_has_one_sample_however_it_is_asked(order: Order, positions: list[int]) -> None:
    together = order.samples_at(np.array(positions, dtype=np.int64))
    again = Order(order.seed, order.size, order.block, order.window, order.neighbours)
    assert [again.sample_at(position) for position in positions] == together.tolist()


@settings(deadline=None)
@given(SEEDS, st.integers(50, 3000), st.integers(0, 100))
def test_epochs_differ_and_seeds_differ(seed: int, size: int, epoch: int) -> None:
    def of(some_seed: int, number: int) -> list[int]:
        return Order(some_seed, size).samples_at(np.arange(number * size, (number + 1) * size)).tolist()

    assert of(seed, epoch) != of(seed, epoch + 1)
    assert of(seed, epoch) != of((seed + 1) % 2**64, epoch)


def test_two_billion_samples_cost_no_memory_and_no_start() -> None:
    order = Order(0, 2_000_000_000)
    used = order.samples_at(np.arange(1_999_990_000, 2_000_010_000))
    assert used.min() >= 0
    assert used.max() < order.size
    assert len(set(used[:10_000].tolist())) == len(set(used[10_000:].tolist())) == 10_000


def test_the_order_of_a_seed_is_fixed_for_good() -> None:
    # A change of these numbers breaks the resume of every run that was started before it.
    assert Order(0, 1000).samples_at(np.arange(8)).tolist() == FIXED_SMALL
    assert Order(7, 10**9).samples_at(np.arange(10**9 - 2, 10**9 + 2)).tolist() == FIXED_LARGE
    assert Order(0, 1000, 16, 1024, 4).samples_at(np.arange(8)).tolist() == FIXED_RUNS


@given(orders(st.sampled_from([2, 4, 16])), st.integers(0, 1000))
def test_neighbours_follow_each_other_in_every_epoch_but_for_its_last_few(order: Order, epoch: int) -> None:
    whole = order.size // order.neighbours * order.neighbours
    used = order.samples_at(epoch * order.size + np.arange(whole)).reshape(-1, order.neighbours)
    assert np.array_equal(used, (used[:, :1] + np.arange(order.neighbours)) % order.size)


@given(ORDERS.filter(lambda order: order.neighbours > 1))
def test_runs_of_neighbours_are_mixed_as_samples_are(order: Order) -> None:
    few = Order(
        order.seed, max(1, order.size // order.neighbours), order.block // order.neighbours, order.window
    )
    if order.size % order.neighbours == 0:
        runs = order.samples_at(np.arange(order.size))[:: order.neighbours]
        steps = (runs - runs[0]) % order.size // order.neighbours
        alone = few.samples_at(np.arange(few.size))
        assert np.array_equal(steps, (alone - alone[0]) % few.size)


def test_a_block_is_made_of_whole_runs() -> None:
    with pytest.raises(ValueError, match="a block of 24 samples is not made of 16 neighbours each"):
        Order(0, 1000, 24, 1024, 16)


def test_the_samples_of_a_window_are_whole_blocks() -> None:
    order = Order(3, 160_000, block=16, window=64)
    used = np.sort(order.samples_at(np.arange(16 * 64)))
    runs = np.split(used, np.flatnonzero(np.diff(used) != 1) + 1)
    # Rotation may cut one block at the end of the data set.
    assert len(runs) <= 64 + 1


@pytest.mark.parametrize("size", [4096, 50_000])
@pytest.mark.parametrize("seed", range(5))
def test_positions_are_as_uncorrelated_with_samples_as_in_a_full_shuffle(seed: int, size: int) -> None:
    used = Order(seed, size).samples_at(np.arange(size)).astype(np.float64)
    shuffled = np.random.default_rng(seed).permutation(size).astype(np.float64)
    bound = 5 / np.sqrt(size)
    for sequence in (used, shuffled):
        assert abs(np.corrcoef(np.arange(size), sequence)[0, 1]) < max(bound, 0.05)
        assert abs(np.corrcoef(sequence[:-1], sequence[1:])[0, 1]) < bound


@pytest.mark.parametrize("seed", range(3))
def test_batches_of_class_sorted_data_mix_classes_like_a_full_shuffle(seed: int) -> None:
    size, classes, batch = 64_000, 20, 64
    labels = np.arange(size) * classes // size

    def distinct(sequence: np.ndarray) -> float:
        return float(np.mean([len(set(row)) for row in labels[sequence].reshape(-1, batch).tolist()]))

    ours = distinct(Order(seed, size).samples_at(np.arange(size)))
    full = distinct(np.random.default_rng(seed).permutation(size))
    assert ours > 0.97 * full


def test_first_places_are_uniform_over_seeds() -> None:
    size, seeds = 10, 2000
    first = [Order(seed, size, block=2, window=2).sample_at(0) for seed in range(seeds)]
    counts = np.bincount(first, minlength=size)
    chi = float(((counts - seeds / size) ** 2 / (seeds / size)).sum())
    assert chi < 27.9  # 99.9 % point for 9 degrees of freedom


def test_a_small_set_takes_many_different_orders() -> None:
    seen = {tuple(Order(seed, 4).samples_at(np.arange(4)).tolist()) for seed in range(2000)}
    assert len(seen) == 24


@pytest.mark.parametrize("numbers", [(0, 0), (0, 2**62)])
def test_a_size_out_of_range_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="order needs"):
        Order(*numbers)


def test_a_negative_position_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        Order(0, 10).sample_at(-1)
