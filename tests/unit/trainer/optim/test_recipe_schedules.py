"""Every recipe's schedules against tables of values.

The values were computed apart from this code, to nine digits, from the published settings: a line that reaches its end in
the last step of the warm-up, and half cosines, a + (b - a) (1 - cos(pi t / T)) / 2. Rows stand where a shape changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from webssl_api.recipe import load, names
from webssl_api.resolved import ResolvedRun
from webssl_cli.manifest.positions import documents
from webssl_trainer.config import TrainerConfig, trainer_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.optim import Schedules

EXAMPLES = Path(__file__).parents[4] / "examples"


class Row(NamedTuple):
    """Values at a step; the last three are DINO's: momentum and temperature of the teacher, last layer frozen."""

    step: int
    rate: float
    decay: float
    momentum: float | None = None
    temperature: float | None = None
    frozen: bool | None = None


# 651,042 steps, 100,000 of warm-up to 3.5e-4, then to 1e-6; decay 0.04 to 0.2; momentum 0.994 to 1; temperature 0.04 to 0.07
# over 6 % of the steps; last layer frozen over 0.2 %.
WEB_DINO = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (1301, 4.55354554e-06, 0.0400015765, 0.994000059, 0.0409991808, True),
        (1302, 4.55704557e-06, 0.0400015789, 0.994000059, 0.0409999488, False),
        (19_531, 6.83591836e-05, 0.0403550334, 0.994013314, 0.055, False),
        (39_062, 0.000136718367, 0.0414169823, 0.994053137, 0.07, False),
        (49_999, 0.00017499825, 0.0423171632, 0.994086894, 0.07, False),
        (99_999, 0.00035, 0.0491346006, 0.994342548, 0.07, False),
        (100_000, 0.00035, 0.0491347798, 0.994342554, 0.07, False),
        (237_760, 0.000298890485, 0.0871244804, 0.995767168, 0.07, False),
        (375_521, 0.0001755, 0.139115208, 0.99771682, 0.07, False),
        (651_041, 1e-06, 0.2, 1.0, 0.07, False),
        (651_042, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# The same over 325,521 steps.
WEB_DINO_1B_SAMPLES = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (650, 4.550091e-06, 0.0400015741, 0.994000059, 0.0409984639, True),
        (651, 4.55709114e-06, 0.0400015789, 0.994000059, 0.041, False),
        (9765, 6.83563671e-05, 0.0403549971, 0.994013312, 0.055, False),
        (19_530, 0.000136712734, 0.0414168377, 0.994053131, 0.07, False),
        (24_999, 0.0001749965, 0.0423170709, 0.99408689, 0.07, False),
        (49_999, 0.00035, 0.0491344215, 0.994342541, 0.07, False),
        (50_000, 0.00035, 0.0491347798, 0.994342554, 0.07, False),
        (118_880, 0.000298890485, 0.0871244804, 0.995767168, 0.07, False),
        (187_760, 0.000175500995, 0.139114833, 0.997716806, 0.07, False),
        (325_520, 1.00000001e-06, 0.2, 1.0, 0.07, False),
        (325_521, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# The same over 1,302,084 steps.
WEB_DINO_4B_SAMPLES = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (2603, 4.55527278e-06, 0.0400015777, 0.994000059, 0.0409995648, True),
        (2604, 4.55702279e-06, 0.0400015789, 0.994000059, 0.0409999488, False),
        (39_062, 6.83588418e-05, 0.0403550334, 0.994013314, 0.055, False),
        (78_124, 0.000136717684, 0.0414169823, 0.994053137, 0.07, False),
        (99_999, 0.000174999125, 0.0423172093, 0.994086895, 0.07, False),
        (199_999, 0.00035, 0.0491346902, 0.994342551, 0.07, False),
        (200_000, 0.00035, 0.0491347798, 0.994342554, 0.07, False),
        (475_521, 0.000298890133, 0.0871246564, 0.995767175, 0.07, False),
        (751_042, 0.0001755, 0.139115208, 0.99771682, 0.07, False),
        (1_302_083, 1e-06, 0.2, 1.0, 0.07, False),
        (1_302_084, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# The same over 2,604,167 steps.
WEB_DINO_8B_SAMPLES = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (5207, 4.55613639e-06, 0.0400015783, 0.994000059, 0.0409997504, True),
        (5208, 4.55701139e-06, 0.0400015789, 0.994000059, 0.0409999424, False),
        (78_125, 6.83595459e-05, 0.0403550427, 0.994013314, 0.055000096, False),
        (156_249, 0.000136718217, 0.0414170015, 0.994053138, 0.07, False),
        (199_999, 0.000174999562, 0.0423172341, 0.994086896, 0.07, False),
        (399_999, 0.00035, 0.0491347419, 0.994342553, 0.07, False),
        (400_000, 0.00035, 0.0491347866, 0.994342554, 0.07, False),
        (951_041, 0.000298890265, 0.0871246006, 0.995767173, 0.07, False),
        (1_502_083, 0.000175500124, 0.139115169, 0.997716819, 0.07, False),
        (2_604_166, 1e-06, 0.2, 1.0, 0.07, False),
        (2_604_167, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# The same over 10,000 steps, to 1.41e-5.
HIGH_RESOLUTION = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (19, 1.74527687e-07, 0.0400014252, 0.994000053, 0.040951586, True),
        (20, 1.83713355e-07, 0.0400015791, 0.994000059, 0.0410016694, False),
        (300, 2.75570033e-06, 0.0403550428, 0.994013314, 0.0550250417, False),
        (599, 5.50221498e-06, 0.0414123144, 0.994052962, 0.07, False),
        (767, 7.04540717e-06, 0.0423112564, 0.994086672, 0.07, False),
        (1535, 1.41e-05, 0.0491231299, 0.994342117, 0.07, False),
        (1536, 1.41e-05, 0.0491347889, 0.994342555, 0.07, False),
        (3652, 1.21815494e-05, 0.0871246699, 0.995767175, 0.07, False),
        (5768, 7.55e-06, 0.139115218, 0.997716821, 0.07, False),
        (9999, 1.00000045e-06, 0.199999996, 1.0, 0.07, False),
        (10_000, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# The same over 400 steps, to 5e-4.
DEMO = [
    Row(*row)
    for row in (
        (0, 0.0, 0.04, 0.994, 0.04, True),
        (1, 8.33333333e-06, 0.0400024674, 0.994000093, 0.0413043478, False),
        (12, 0.0001, 0.0403550428, 0.994013314, 0.0556521739, False),
        (23, 0.000191666667, 0.0413017097, 0.994048814, 0.07, False),
        (30, 0.00025, 0.0422104064, 0.99408289, 0.07, False),
        (60, 0.0005, 0.0487194781, 0.99432698, 0.07, False),
        (61, 0.0005, 0.0490069242, 0.99433776, 0.07, False),
        (145, 0.000428145087, 0.086507221, 0.995744021, 0.07, False),
        (230, 0.000251656083, 0.138675629, 0.997700336, 0.07, False),
        (399, 1.01071366e-06, 0.199997533, 0.999999907, 0.07, False),
        (400, 1e-06, 0.2, 1.0, 0.07, False),
    )
]

# 488,281 steps, 80,000 of warm-up to 1.6e-3, then to 0; decay 0.05.
WEB_MAE = [
    Row(*row)
    for row in (
        (0, 0.0, 0.05),
        (39_999, 0.00079999, 0.05),
        (79_999, 0.0016, 0.05),
        (80_000, 0.0016, 0.05),
        (182_070, 0.00136568651, 0.05),
        (284_140, 0.000800003078, 0.05),
        (488_280, 2.36833123e-14, 0.05),
        (488_281, 0.0, 0.05),
    )
]

# 61,035 steps, 2,000 of warm-up to 4e-4, then to 0; decay 0.2.
METACLIP = [
    Row(*row)
    for row in (
        (0, 0.0, 0.2),
        (999, 0.00019989995, 0.2),
        (1999, 0.0004, 0.2),
        (2000, 0.0004, 0.2),
        (16_758, 0.000341427001, 0.2),
        (31_517, 0.000200005322, 0.2),
        (61_034, 2.83191764e-13, 0.2),
        (61_035, 0.0, 0.2),
    )
]

TABLES = {
    **{f"web-dino-{size}": WEB_DINO for size in ("300m", "1b", "2b", "3b", "5b", "7b")},
    "web-dino-7b-1b-samples": WEB_DINO_1B_SAMPLES,
    "web-dino-7b-4b-samples": WEB_DINO_4B_SAMPLES,
    "web-dino-7b-8b-samples": WEB_DINO_8B_SAMPLES,
    "web-dino-7b-378": HIGH_RESOLUTION,
    "web-dino-7b-518": HIGH_RESOLUTION,
    "demo": DEMO,
    **{f"web-mae-{size}": WEB_MAE for size in ("300m", "700m", "1b", "2b", "3b", "5b")},
    **{f"metaclip-{size}": METACLIP for size in ("300m", "1b", "2b", "3b", "5b", "7b")},
}


def config_of(name: str) -> TrainerConfig:
    return placed(load(name).spec)


def placed(spec: Mapping[str, Any]) -> TrainerConfig:
    somewhere = {
        "data": {"source": "file:///images/0.tar"},
        "workers": {"max": 1},
        "checkpoint": {"uri": "file:///runs/here", "interval": {"samples": 10**6}},
    }
    manifest = {"name": "here", "namespace": "default", "uid": "u", "spec": {**spec, **somewhere}}
    return trainer_config(ResolvedRun.model_validate(manifest))


@pytest.mark.parametrize(
    ("name", "betas", "epsilon", "clip"),
    [
        ("web-dino-1b", (0.9, 0.999), 1e-8, 3.0),
        ("web-mae-1b", (0.9, 0.95), 1e-8, None),
        ("metaclip-1b", (0.9, 0.98), 1e-6, None),
    ],
)
def test_adamw_is_set_as_published(
    name: str, betas: tuple[float, float], epsilon: float, clip: float | None
) -> None:
    optim = config_of(name).optim
    assert (optim.betas, optim.eps, optim.clip) == (betas, epsilon, clip)


def test_the_recipe_of_the_demo_is_what_the_demo_trains() -> None:
    recipe = config_of("demo")
    (document,) = documents((EXAMPLES / "demo.yaml").read_text())
    example = placed(document.content["spec"])
    for part in ("vit", "objective", "optim", "plan", "stages"):
        assert getattr(recipe, part) == getattr(example, part), part


def test_every_recipe_has_a_table() -> None:
    assert set(TABLES) == set(names())


@pytest.mark.parametrize("name", TABLES)
def test_the_schedules_of_a_recipe_are_those_of_its_table(name: str) -> None:
    config = config_of(name)
    total = config.total_steps
    schedules = Schedules(config.optim, total)
    assert TABLES[name][-1].step == total
    for row in TABLES[name]:
        assert schedules.learning_rate(row.step) == pytest.approx(row.rate, rel=1e-8, abs=1e-15), row
        assert schedules.weight_decay(row.step) == pytest.approx(row.decay, rel=1e-8), row
        if isinstance(config.objective, DinoConfig):
            assert config.objective.ema(row.step, total) == pytest.approx(row.momentum, rel=1e-8), row
            assert config.objective.temperature(row.step, total) == pytest.approx(
                row.temperature, rel=1e-8
            ), row
            assert (row.step < config.objective.freeze_last_layer_steps) == row.frozen, row
        else:
            assert row.momentum is row.temperature is row.frozen is None
