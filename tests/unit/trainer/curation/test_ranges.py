"""Ranges cut the shards into neighbours: each shard is in exactly one, and they are about as large as each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.curation.ranges import shards_of


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 80))
def test_every_shard_is_in_exactly_one_range(counts: list[int], ranges: int) -> None:
    found = [shard for number in range(ranges) for shard in shards_of(np.array(counts), number, ranges)]
    assert found == list(range(len(counts)))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 20))
def test_no_range_is_larger_than_its_part_by_more_than_a_shard(counts: list[int], ranges: int) -> None:
    array = np.array(counts)
    for number in range(ranges):
        mine = shards_of(array, number, ranges)
        assert array[mine.start : mine.stop].sum() <= array.sum() / ranges + array.max() + 1


def test_a_range_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"range 3 is outside \[0, 3\)"):
        shards_of(np.array([1]), 3, 3)
