"""Who may lead: decided without comparing the clocks of two machines."""

from __future__ import annotations

import pytest
from webssl_operator.cluster.lease import Record, Sighting, may_take, sight

MINE, OTHER = "me", "other"


@pytest.mark.parametrize(
    ("record", "age", "expected"),
    [
        (None, 0.0, True),
        (Record("", 15, "t1"), 0.0, True),
        (Record(MINE, 15, "t1"), 0.0, True),
        (Record(OTHER, 15, "t1"), 0.0, False),
        (Record(OTHER, 15, "t1"), 14.9, False),
        (Record(OTHER, 15, "t1"), 15.1, True),
    ],
)
def test_a_lease_is_taken_when_free_own_or_not_renewed_for_its_length(
    record: Record | None, age: float, expected: bool
) -> None:
    assert may_take(Sighting(record, since=100.0), MINE, 100.0 + age) is expected


def test_a_renewed_lease_is_young_again_whatever_time_it_names() -> None:
    first = sight(None, Record(OTHER, 15, "2026-01-01T00:00:00Z"), now=0.0)
    same = sight(first, Record(OTHER, 15, "2026-01-01T00:00:00Z"), now=20.0)
    assert may_take(same, MINE, 20.0)
    renewed = sight(same, Record(OTHER, 15, "1999-01-01T00:00:00Z"), now=20.0)
    assert not may_take(renewed, MINE, 30.0)
