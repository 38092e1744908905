"""benchmarks/train: both sides do the same work, and the figures follow from the seconds."""

from __future__ import annotations

import pytest
import torch
from webssl_trainer.model import Parallel
from webssl_trainer.objectives import StepContext

from benchmarks.train.cases import STEPS, Shape, case
from benchmarks.train.figures import figures, table

CPU = torch.device("cpu")
SHAPES = [
    Shape("dino", "tiny", 4, 56, 14, local=28, prototypes=32, drop_path=0.5),
    Shape("mae", "tiny", 4, 64, 16),
    Shape("clip", "tiny", 4, 56, 14),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.objective)
def test_the_plain_step_has_the_loss_and_the_gradient_of_the_trainers_own(shape: Shape) -> None:
    both = case(shape, Parallel(CPU), Parallel(CPU))
    ctx = StepContext(0, STEPS, 0, shape.batch, CPU)
    gradients = []
    for side in (both.plain, both.own):
        found: dict[str, torch.Tensor] = {}
        for name, module in side.modules.items():
            for leaf, parameter in module.named_parameters():
                if parameter.requires_grad:
                    parameter.register_post_accumulate_grad_hook(
                        lambda p, key=f"{name}.{leaf}", to=found: to.__setitem__(key, p.grad.clone())
                    )
        gradients.append((side.step(ctx), found))
    (plain_loss, plain), (own_loss, own) = gradients
    assert plain_loss == pytest.approx(own_loss, rel=1e-5)
    assert set(plain) == set(own)
    for name, gradient in plain.items():
        torch.testing.assert_close(
            gradient, own[name], rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_the_ratio_and_the_rates_are_those_of_the_median_steps() -> None:
    seconds = {"plain": [4.0, 3.0, 90.0], "own": [2.0, 2.0, 50.0]}
    found = figures(seconds, samples=10, whole=4e12, dropped=1e12, peak=1e14)
    assert found["ratio"] == 2.0
    assert found["images_per_second"] == 5.0
    assert found["plain_images_per_second"] == 2.5
    assert (found["nominal_tflops"], found["adjusted_tflops"]) == (20.0, 15.0)
    assert (found["nominal_mfu"], found["adjusted_mfu"]) == (0.2, 0.15)


def test_a_device_of_unknown_peak_has_no_mfu() -> None:
    found = figures({"plain": [1.0], "own": [1.0]}, samples=1, whole=1.0, dropped=0.0, peak=0.0)
    assert found["nominal_mfu"] is None
    shape = {"objective": "dino", "size": "S"}
    assert "nominal, adjusted: - -" in table([{"shape": shape, "figures": found}])
