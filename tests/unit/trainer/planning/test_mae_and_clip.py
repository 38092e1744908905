"""The planner's numbers for MAE and CLIP against their real modules and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from webssl_trainer.data.batch import Batch
from webssl_trainer.model import SIZES, Parallel, VitConfig, vit_config
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective, TextConfig, text_tower
from webssl_trainer.objectives.clip.network import ClipNetwork
from webssl_trainer.objectives.mae import MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.objectives.mae.network import MaeNetwork
from webssl_trainer.planning.clip import ClipPlan
from webssl_trainer.planning.mae import MaePlan
from webssl_trainer.planning.memory import memory_plan, placement
from webssl_trainer.planning.precision import AUTOCAST, FP32, Precision
from webssl_trainer.planning.quantities import ObjectivePlan, Share, matrices, parameters

from tests.unit.trainer.planning.reality import CPU, Measured, measured

CONTEXT = 16


@dataclass(frozen=True)
class Case:
    """A step of one objective: samples per micro-batch, micro-batches."""

    vit: VitConfig
    config: Any
    plan: ObjectivePlan[Any]
    build: Callable[..., Any]
    samples: int
    micro_batches: int

    @property
    def share(self) -> Share:
        return Share(self.samples * self.micro_batches, self.samples)

    @property
    def context(self) -> StepContext:
        return StepContext(0, 10, 0, self.share.step, CPU)

    def objective(self, precision: Precision) -> Objective:
        built: Objective = self.build(self.vit, self.config, Parallel(CPU, bf16=precision.halves), 0)
        return built

    def batches(self) -> list[Batch]:
        side, n = self.config.crops.global_size, self.samples
        captions = [{"txt": b"x" * CONTEXT} for _ in range(n)]
        return [
            Batch(
                positions=np.arange(i * n, (i + 1) * n),
                sample_ids=[str(k) for k in range(n)],
                global_crops=torch.randint(256, (1, n, 3, side, side), dtype=torch.uint8),
                local_crops=torch.empty(0, n, 3, 0, 0, dtype=torch.uint8),
                extras=captions,
            )
            for i in range(self.micro_batches)
        ]

    def activations(self, precision: Precision) -> Any:
        return self.plan.activations(self.vit, self.config, self.config.crops, self.share, precision)


def mae(size: str, side: int, micro_batches: int = 1) -> Case:
    config = MaeConfig(crops=mae_crops(side))
    vit = vit_config(size, image_size=side, family="mae")
    return Case(vit, config, MaePlan(), MaeObjective, samples=3, micro_batches=micro_batches)


def clip(micro_batches: int = 1, **settings: Any) -> Case:
    config = ClipConfig(text=TextConfig(192, 4, 3, CONTEXT), tokenizer="bytes", **settings)
    return Case(vit_config("tiny"), config, ClipPlan(), ClipObjective, 6, micro_batches)


CASES = {
    "mae tiny": mae("tiny", 224),
    "mae S, accumulated": mae("S", 112, micro_batches=2),
    "clip tiny": clip(),
    "clip tiny, gradients cached": clip(micro_batches=2),
    "siglip with stochastic depth": clip(loss="siglip", drop_path=0.2),
}
PLAIN = {"fp32": FP32, "bf16 autocast": AUTOCAST}


@pytest.mark.parametrize("size", [size for size in SIZES if size not in ("tiny", "S", "B")])
def test_parameters_of_mae_are_those_of_its_modules(size: str) -> None:
    vit, config = vit_config(size, family="mae"), MaeConfig()
    with torch.device("meta"):
        network = MaeNetwork(vit, config)
    _agree(MaePlan(), vit, config, network, [*network.encoder.blocks, network.decoder])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loss", ["infonce", "siglip"])
def test_parameters_of_clip_are_those_of_its_modules(size: str, loss: Any) -> None:
    vit, config = vit_config(size), ClipConfig(text=text_tower(size), loss=loss)
    with torch.device("meta"):
        network = ClipNetwork(vit, config, 49408)
    _agree(ClipPlan(), vit, config, network, [*network.vision.blocks, *network.text.blocks])


@cache
def real_step(name: str, precision: Precision) -> Measured:
    """One step for both tests below."""
    case = CASES[name]
    return measured(case.objective(precision), case.batches(), case.context)


@pytest.mark.parametrize("precision", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("name", CASES)
def test_what_autograd_keeps_is_what_was_planned(name: str, precision: Precision) -> None:
    case = CASES[name]
    networks = case.plan.networks(case.vit, case.config)
    copies = precision.compute * matrices(networks.trained) if precision.copies else 0
    expected = case.activations(precision).saved + copies
    assert expected == pytest.approx(real_step(name, precision).saved, rel=0.03)


@pytest.mark.parametrize("precision", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("name", CASES)
def test_the_peak_of_a_step_is_what_was_planned(name: str, precision: Precision) -> None:
    case, place = CASES[name], placement(1, shard=False)
    networks = case.plan.networks(case.vit, case.config)
    plan = memory_plan(networks, case.activations(precision), place, case.share, precision)
    expected = plan.peak - plan.state - plan.inputs
    assert expected == pytest.approx(real_step(name, precision).peak, rel=0.15)


@pytest.mark.parametrize("name", ["mae tiny", "clip tiny"])
def test_a_step_computes_what_was_planned(name: str) -> None:
    case = CASES[name]
    objective = case.objective(FP32)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        objective.forward_backward(case.batches(), case.context)
    planned = case.plan.sample_flops(case.vit, case.config, case.config.crops).total * case.share.step
    # CLIP's planned causal attention is half of what the plain kernel computes; the logits are not planned.
    assert planned == pytest.approx(counter.get_total_flops(), rel=0.02)


def _agree(plan: Any, vit: VitConfig, config: Any, network: nn.Module, units: list[nn.Module]) -> None:
    def trained(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters() if p.requires_grad)

    networks = plan.networks(vit, config)
    counts = [trained(unit) for unit in units]
    assert [unit.parameters for unit in networks.trained] == [*counts, trained(network) - sum(counts)]
    weights = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d))
    assert matrices(networks.trained) == weights
    assert networks.frozen == ()
    assert parameters(networks.trained) == trained(network)
