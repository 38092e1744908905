"""A selection: a set of numbers, small in memory, asked by rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data.selection import CHUNK, Selection

SHARES = st.sampled_from([0.0, 0.001, 0.013, 0.06, 0.08, 0.5, 0.99, 1.0])


def drawn(seed: int, shares: list[float], size: int) -> np.ndarray:
    """Chosen numbers in `[0, size)`, with another share in each chunk."""
    rng = np.random.default_rng(seed)
    share = np.repeat(shares, CHUNK)[:size]
    return np.flatnonzero(rng.random(size) < share)


def in_pieces(numbers: np.ndarray, seed: int) -> list[np.ndarray]:
    cuts = np.sort(np.random.default_rng(seed).integers(0, numbers.size + 1, 5))
    return np.split(numbers, cuts)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    shares=st.lists(SHARES, min_size=1, max_size=4),
    short=st.integers(0, CHUNK - 1),
)
def test_every_rank_has_its_number_whatever_containers_hold_it(
    seed: int, shares: list[float], short: int
) -> None:
    size = len(shares) * CHUNK - short
    numbers = drawn(seed, shares, size)
    selection = Selection.of(size, in_pieces(numbers, seed))
    assert len(selection) == numbers.size
    ranks = np.random.default_rng(seed).integers(0, max(1, numbers.size), 500 if numbers.size else 0)
    assert np.array_equal(selection.numbers_at(ranks), numbers[ranks])
    bounds = np.random.default_rng(seed).integers(0, size + 1, 20)
    assert np.array_equal(selection.count_below(bounds), np.searchsorted(numbers, bounds))
    again = Selection.from_bytes(selection.to_bytes())
    assert again.digest == selection.digest
    assert np.array_equal(again.numbers_at(np.arange(numbers.size)), numbers)


def test_memory_is_bounded_by_the_samples_and_by_the_chosen() -> None:
    size = 64 * CHUNK
    for share in (0.013, 0.063, 0.5, 1.0):
        numbers = drawn(1, [share] * 64, size)
        used = Selection.of(size, [numbers]).nbytes
        assert used <= min(2 * numbers.size, 1.04 * size / 8) + 64 * 25


def test_the_digest_is_of_the_numbers_and_nothing_else() -> None:
    numbers = drawn(3, [0.1, 0.01], 2 * CHUNK)
    one = Selection.of(2 * CHUNK, [numbers], {"rows": 7})
    assert one.digest == Selection.of(2 * CHUNK, in_pieces(numbers, 5)).digest
    assert one.digest != Selection.of(2 * CHUNK, [numbers[1:]]).digest
    assert one.digest != Selection.of(2 * CHUNK + 1, [numbers]).digest
    assert Selection.from_bytes(one.to_bytes()).facts == {"rows": 7}


def test_a_rank_outside_and_a_foreign_file_are_refused() -> None:
    selection = Selection.of(10, [np.array([2, 5])])
    with pytest.raises(IndexError):
        selection.numbers_at(np.array([2]))
    with pytest.raises(ValueError, match="not a selection file"):
        Selection.from_bytes(b"something else")
    assert len(Selection.of(10, [])) == 0
