"""Mixtures: shares by weight, each source in its own order and epochs, a pure function of the position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data.mixture import CYCLE, MixtureOrder, shares, source_seed
from webssl_trainer.data.order import Order

WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=6).map(tuple)
FIXED = [216, 1060, 587, 781, 974, 1153, 171, 489]


def mixture(
    seed: int, sizes: list[int], weights: tuple[float, ...], neighbours: Sequence[int] = (1,)
) -> MixtureOrder:
    runs = [*neighbours, *[neighbours[-1]] * len(sizes)]
    orders = tuple(
        Order(source_seed(seed, at), size, max(4, runs[at]), 8, runs[at]) for at, size in enumerate(sizes)
    )
    return MixtureOrder(seed, orders, weights)


@given(WEIGHTS)
def test_places_fill_the_cycle_and_follow_the_weights_to_the_nearest_place(
    weights: tuple[float, ...],
) -> None:
    places = shares(weights)
    assert sum(places) == CYCLE
    assert min(places) >= 1
    exact = np.array(weights) / sum(weights) * CYCLE
    assert np.abs(np.array(places) - exact).max() <= len(weights)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**64 - 1), WEIGHTS, st.integers(0, 50), st.sampled_from([1, 4, 16]))
def test_a_cycle_uses_the_next_ranks_of_each_source_exactly_once(
    seed: int, weights: tuple[float, ...], cycle: int, neighbours: int
) -> None:
    order = mixture(seed, [97 + at for at in range(len(weights))], weights, [neighbours])
    source, rank = order.sources_at(np.arange(cycle * CYCLE, (cycle + 1) * CYCLE))
    assert sum(order.places) == CYCLE
    for number, places in enumerate(order.places):
        expected = np.arange(cycle * places, (cycle + 1) * places)
        assert np.array_equal(np.sort(rank[source == number]), expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 10**12), max_size=40))
def test_a_position_has_one_sample_however_it_is_asked(seed: int, positions: list[int]) -> None:
    order = mixture(seed, [50, 1000, 3], (0.5, 0.3, 0.2))
    together = order.samples_at(np.array(positions, dtype=np.int64))
    assert [order.sample_at(position) for position in positions] == together.tolist()


def test_each_source_goes_through_whole_epochs_of_its_own() -> None:
    order = mixture(5, [60, 1000], (0.25, 0.75))
    positions = np.arange(3 * CYCLE)
    source, rank = order.sources_at(positions)
    samples, epochs = order.samples_at(positions), order.epochs_at(positions)
    assert np.array_equal(epochs, rank // np.array([60, 1000])[source])
    for number, (first, size) in enumerate([(0, 60), (60, 1000)]):
        mine = source == number
        for epoch in range(int(epochs[mine].max())):
            used = samples[mine & (epochs == epoch)]
            assert np.array_equal(np.sort(used), np.arange(first, first + size))


def test_batches_hold_the_shares_as_well_as_independent_draws_would() -> None:
    order = mixture(1, [10_000, 10_000], (0.2, 0.8))
    source, _ = order.sources_at(np.arange(CYCLE))
    first = (source.reshape(-1, 256) == 0).mean(axis=1)
    assert abs(first.mean() - 0.2) < 1e-4
    assert first.std() < 1.2 * np.sqrt(0.2 * 0.8 / 256)


@pytest.mark.parametrize("neighbours", [(16, 4), (1, 16)])
def test_neighbours_of_a_source_stay_together_in_a_mixture(neighbours: tuple[int, int]) -> None:
    order = mixture(3, [16_000, 32_000], (0.3, 0.7), neighbours)
    positions = np.arange(5 * CYCLE)
    source, samples = order.sources_at(positions)[0].reshape(-1, 16), order.samples_at(positions)
    assert (source == source[:, :1]).all()
    for number, (first, size, run) in enumerate(
        [(0, 16_000, neighbours[0]), (16_000, 32_000, neighbours[1])]
    ):
        mine = samples.reshape(-1, 16)[source[:, 0] == number].reshape(-1, run) - first
        assert np.array_equal(mine, (mine[:, :1] + np.arange(run)) % size)


def test_a_mixture_of_runs_needs_powers_of_two() -> None:
    with pytest.raises(ValueError, match="3 neighbours are no power of two"):
        MixtureOrder(0, (Order(0, 30, 6, 4, 3), Order(1, 30, 6, 4, 3)), (1.0, 1.0))


def test_equal_sources_have_different_orders() -> None:
    order = mixture(9, [1000, 1000], (1.0, 1.0))
    ranks = np.arange(1000)
    assert order.orders[0].samples_at(ranks).tolist() != order.orders[1].samples_at(ranks).tolist()


def test_stand_ins_come_from_the_source_of_the_position() -> None:
    order = mixture(2, [10, 30], (0.5, 0.5))
    source, _ = order.sources_at(np.arange(50))
    assert [order.pool_of(at) for at in range(50)] == [[(0, 10), (10, 30)][number] for number in source]


def test_the_mixture_of_a_seed_is_fixed_for_good() -> None:
    # A change of these numbers breaks the resume of every run that was started before it.
    assert mixture(0, [1000, 200], (0.7, 0.3)).samples_at(np.arange(8)).tolist() == FIXED


@pytest.mark.parametrize("weights", [(), (0.0, 1.0), (-1.0,), (float("inf"), 1.0)])
def test_weights_that_are_none_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weights must be positive"):
        shares(weights)


def test_a_negative_position_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        mixture(0, [5, 5], (1.0, 1.0)).samples_at(np.array([-1]))
