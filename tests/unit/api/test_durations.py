"""Durations and schedule arithmetic of a manifest."""

from __future__ import annotations

import pytest
from webssl_api.durations import seconds
from webssl_api.schedule import ScheduleSpec, StageSpec


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("24h", 86400), ("1h30m", 5400)])
def test_a_duration_is_read_as_kubernetes_writes_it(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1d", "s", "1.5h", "-5m"])
def test_anything_else_is_refused_by_value(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        seconds(text)


@pytest.mark.parametrize(
    ("samples", "batch", "steps"), [(2_000_000_000, 3072, 651_042), (3072, 3072, 1), (3073, 3072, 2)]
)
def test_a_stage_is_rounded_up_to_whole_steps(samples: int, batch: int, steps: int) -> None:
    schedule = ScheduleSpec(stages=[StageSpec(resolution=224, samples=samples)], global_batch_size=batch)
    assert schedule.total_steps == steps
    assert schedule.total_samples == steps * batch


def test_local_crops_are_98_pixels_at_224_and_follow_the_resolution() -> None:
    sides = [StageSpec(resolution=r, samples=1).local_side(14) for r in (56, 224, 378, 518)]
    assert sides == [28, 98, 168, 224]
