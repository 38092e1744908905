"""No second of training is without a part."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.observe.step_clock import DATA_WAIT, OPTIMIZER, OTHER, PARTS, StepClock

LAPS = st.lists(st.tuples(st.sampled_from(PARTS), st.integers(0, 1000)), max_size=40)


@given(laps=LAPS, takes=st.sets(st.integers(0, 40)))
def test_parts_sum_up_to_the_time_that_went_by(laps: list[tuple[str, int]], takes: set[int]) -> None:
    moments = [100.0, *accumulate((float(seconds) for _, seconds in laps), initial=100.0)][1:]
    reading = iter([100.0, *moments[1:]])
    clock = StepClock(lambda: next(reading))
    total = 0.0
    for number, (part, _) in enumerate(laps):
        clock.lap(part)
        if number in takes:
            total += sum(clock.take().values())
    total += sum(clock.take().values())
    assert total == moments[-1] - 100.0


def test_a_lap_is_the_time_since_the_lap_before_and_says_when_it_ended() -> None:
    reading = iter([10.0, 12.0, 15.0, 15.5])
    clock = StepClock(lambda: next(reading))
    assert [clock.lap(OTHER), clock.lap(DATA_WAIT)] == [12.0, 15.0]
    assert clock.take() == dict.fromkeys(PARTS, 0.0) | {OTHER: 2.0, DATA_WAIT: 3.0}
    clock.lap(OPTIMIZER)
    assert clock.take() == pytest.approx(dict.fromkeys(PARTS, 0.0) | {OPTIMIZER: 0.5})
