"""The planner's arithmetic against what torch counts in a real step."""

from __future__ import annotations

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.planning import GPUS
from webssl_trainer.planning.dino import DinoPlan, flops_of, mean_masked_share

from tests.unit.trainer.planning.reality import CPU, Shape

SHAPES = [
    Shape("tiny", samples=2, micro_batches=2, prototypes=1024, hidden=256),
    Shape("S", samples=2, micro_batches=1, prototypes=512, sides=(112, 56), n_local=2, hidden=256),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_step_computes_what_was_planned(shape: Shape) -> None:
    objective = shape.objective(Parallel(CPU))
    # The plain attention: torch counts a flash kernel's recomputation in the backward pass, which is no useful work.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        objective.forward_backward(shape.batches, shape.context())
    _, step = shape.rows()
    per_sample = flops_of(shape.vit, shape.config, shape.crops, step.patches / step.samples)
    assert per_sample.total * step.samples == pytest.approx(counter.get_total_flops(), rel=0.005)


def test_half_of_the_crops_are_masked_by_three_tenths_on_average() -> None:
    shape = Shape("tiny", samples=128, micro_batches=1, prototypes=64, n_local=0)
    (batch,) = shape.batches
    assert mean_masked_share(shape.config.masks) == pytest.approx(0.15)
    assert shape.masked(batch) / (256 * 256) == pytest.approx(0.15, rel=0.1)


def test_what_the_trainer_counts_for_its_mfu_leaves_out_a_few_per_cent_of_heads() -> None:
    vit, config, crops = vit_config("300M"), DinoConfig(), CropSpec()
    ratio = config.sample_flops(vit, crops) / DinoPlan().sample_flops(vit, config, crops).total
    assert 0.95 < ratio < 1


def test_every_gpu_has_a_peak_that_the_trainer_knows_too() -> None:
    assert all(gpu.peak > 0 for gpu in GPUS.values())
