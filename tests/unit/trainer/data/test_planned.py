"""What is worked out for many micro-batches at once is what each would have been given."""

from __future__ import annotations

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.data.order import Order
from webssl_trainer.data.planned import planned

ORDER = Order(3, 500)


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 700)), max_size=12))
def test_each_unit_has_its_own_samples_in_order(spans: list[tuple[int, int]]) -> None:
    units = [range(first, first + count) for first, count in spans]
    found = list(planned(units, ORDER))
    assert [unit for unit, _ in found] == units
    for unit, samples in found:
        assert np.array_equal(samples, ORDER.samples_at(np.array(unit)))


def test_units_without_end_are_taken_a_few_at_a_time() -> None:
    taken: list[int] = []

    def endless():  # type: ignore[no-untyped-def]
        at = 0
        while True:
            taken.append(at)
            yield range(at, at + 64)
            at += 64

    assert len(list(islice(planned(endless(), ORDER), 3))) == 3
    assert len(taken) == 17
