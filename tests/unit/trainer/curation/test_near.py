"""Near hashes are found as by comparing all with all, in linear time whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.curation.near import band_edges, near_in_band, rolled


def found_pairs(hashes: np.ndarray, distance: int, window: int = 256) -> tuple[set[tuple[int, int]], int]:
    pairs, skipped = set(), 0
    for low, bits in band_edges(distance):
        found = near_in_band(rolled(hashes, low, bits), bits, distance, window)
        pairs |= {
            (min(a, b), max(a, b)) for a, b in zip(found.left.tolist(), found.right.tolist(), strict=True)
        }
        skipped += found.skipped
    return pairs, skipped


@given(st.integers(0, 7), st.integers(0, 2**32), st.integers(2, 40))
def test_all_pairs_within_the_distance_are_found(distance: int, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, max(1, count // 4), dtype=np.uint64)
    hashes = np.unique(
        [
            base[rng.integers(base.size)]
            ^ np.uint64(sum(1 << int(bit) for bit in set(rng.integers(0, 64, rng.integers(0, 9)))))
            for _ in range(count)
        ]
    ).astype(np.uint64)
    expected = {
        (a, b)
        for a in range(hashes.size)
        for b in range(a + 1, hashes.size)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= distance
    }
    assert found_pairs(hashes, distance) == (expected, 0)


@pytest.mark.parametrize("distance", range(8))
def test_bands_cover_the_64_bits_once(distance: int) -> None:
    bits = [bit for low, width in band_edges(distance) for bit in range(low, low + width)]
    assert bits == list(range(64))


def test_of_too_many_with_one_band_the_pairs_that_were_not_compared_are_counted() -> None:
    hashes = np.arange(100, dtype=np.uint64)  # all bands but the lowest are equal
    _, skipped = found_pairs(hashes, 1, window=10)
    assert skipped == sum(range(90))
