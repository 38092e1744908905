"""Schedules against tables computed by hand from the published settings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.optim import OptimConfig, ParamGroup, Schedules, Treatment, build_optimizer

# Web-DINO, 2B samples: 651,042 steps of 3072, peak 3.5e-4, 100K warmup steps, minimum 1e-6.
WEB_DINO = Schedules(OptimConfig(warmup_steps=100_000), total_steps=651_042)


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (0, 0.0),
        (49_999, 3.5e-4 * 49_999 / 99_999),
        (99_999, 3.5e-4),
        (100_000, 3.5e-4),
        (100_000 + 551_042 // 4, 1e-6 + 3.49e-4 * 0.8535533905932737),
        (100_000 + 551_042 // 2, 1.755e-4),
        (651_042, 1e-6),
        (700_000, 1e-6),
    ],
)
def test_the_learning_rate_rises_on_a_line_and_falls_on_half_a_cosine(step: int, value: float) -> None:
    assert WEB_DINO.learning_rate(step) == pytest.approx(value, rel=2e-5, abs=1e-12)


@pytest.mark.parametrize(("step", "value"), [(0, 0.04), (325_521, 0.12), (651_042, 0.2), (10**6, 0.2)])
def test_weight_decay_rises_on_half_a_cosine(step: int, value: float) -> None:
    assert WEB_DINO.weight_decay(step) == pytest.approx(value)


@pytest.mark.parametrize(("step", "value"), [(0, 0.994), (500, 0.997), (250, 0.99487868), (1000, 1.0)])
def test_the_momentum_of_the_teacher_rises_to_one_on_half_a_cosine(step: int, value: float) -> None:
    assert DinoConfig().ema(step, 1000) == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize(
    ("step", "value"), [(0, 0.04), (1, 0.04 + 0.03 / 59), (59, 0.07), (60, 0.07), (999, 0.07)]
)
def test_the_temperature_of_the_teacher_rises_over_30_of_500_epochs(step: int, value: float) -> None:
    assert DinoConfig().temperature(step, 1000) == pytest.approx(value, rel=1e-12)


@given(total=st.integers(1, 2000), data=st.data())
def test_every_step_of_every_run_has_a_rate_between_zero_and_the_peak(
    total: int, data: st.DataObject
) -> None:
    warmup = data.draw(st.integers(0, total))
    schedules = Schedules(OptimConfig(warmup_steps=warmup), total)
    rates = [schedules.learning_rate(step) for step in range(total + 1)]
    assert all(0 <= rate <= 3.5e-4 for rate in rates)
    assert rates[-1] == pytest.approx(1e-6) or warmup == total


def test_a_warmup_longer_than_the_run_is_refused_with_the_mend() -> None:
    with pytest.raises(UserError, match="warmup of 20 steps does not fit into 10 steps; shorten the warmup"):
        Schedules(OptimConfig(warmup_steps=20), 10)


def test_groups_get_their_share_and_frozen_groups_start_late() -> None:
    def group(treatment: Treatment) -> ParamGroup:
        return ParamGroup(treatment, [torch.nn.Parameter(torch.ones(1))], ["x"])

    treatments = [Treatment(), Treatment(lr_multiplier=0.2), Treatment(1.0, 0.0, frozen_steps=2)]
    schedules = Schedules(OptimConfig(learning_rate=1.0, min_learning_rate=1.0, weight_decay_end=0.04), 10)
    optimizer = build_optimizer([group(t) for t in treatments], schedules.config)
    for step, frozen_rate in [(0, 0.0), (1, 0.0), (2, 1.0)]:
        schedules.apply(optimizer, step)
        assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.2, frozen_rate]
        assert [g["weight_decay"] for g in optimizer.param_groups] == [0.04, 0.04, 0.0]
