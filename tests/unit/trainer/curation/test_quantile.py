"""A threshold is the one that a sort would give, in memory that does not grow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.curation.quantile import threshold_for

VALUES = st.lists(
    st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 0.25, 0.5, 1000.0])), min_size=1, max_size=60
)


@given(VALUES, st.floats(0, 1), st.integers(1, 7))
def test_it_is_the_lowest_value_that_keeps_at_most_the_share(
    values: list[float], share: float, piece: int
) -> None:
    array = np.array(values, dtype=np.float32)

    def read():  # type: ignore[no-untyped-def]
        return iter(np.array_split(array, piece))

    found = threshold_for(read, share, len(values))
    allowed = [value for value in set(array[array > 0]) if (array >= value).sum() <= int(share * len(values))]
    assert found.value == (float(min(allowed)) if allowed else float(np.finfo(np.float32).max))
    assert found.kept == int((array >= np.float32(found.value)).sum())


def test_the_shares_of_the_paper_are_kept_exactly_where_values_differ() -> None:
    values = np.random.default_rng(0).permutation(np.linspace(0.001, 1, 100_000)).astype(np.float32)
    for share in (0.503, 0.013):
        assert threshold_for(lambda: iter([values]), share, values.size).kept == int(share * values.size)


def test_rows_without_a_value_count_among_all_and_are_never_kept() -> None:
    values = np.array([-1.0, -1.0, 0.5, 0.7], dtype=np.float32)
    assert threshold_for(lambda: iter([values]), 1.0, 4).kept == 2
