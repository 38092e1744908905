"""The planner's counts of parameters and optimizer state are those of the real modules, to the number."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from webssl_trainer.model import SIZES, VisionTransformer, vit_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.objectives.dino.network import DinoNetwork
from webssl_trainer.planning import transformer
from webssl_trainer.planning.dino import DinoPlan
from webssl_trainer.planning.memory import MOMENTS
from webssl_trainer.planning.quantities import matrices, parameters


@pytest.mark.parametrize("size", SIZES)
def test_every_unit_has_the_parameters_of_its_module(size: str) -> None:
    vit, config = vit_config(size), DinoConfig()
    with torch.device("meta"):
        network = DinoNetwork(vit, config)
    networks = DinoPlan().networks(vit, config)
    blocks = [_count(block) for block in network.backbone.blocks]
    heads = [_count(network.dino_head), _count(network.ibot_head)]
    around = _count(network) - sum(blocks) - sum(heads)
    assert [unit.parameters for unit in networks.trained] == [*blocks, *heads, around]
    assert networks.frozen == networks.trained


@pytest.mark.parametrize("size", SIZES)
def test_the_optimizer_keeps_two_numbers_for_each_of_them(size: str) -> None:
    vit, config = vit_config(size), DinoConfig()
    with torch.device("meta"):
        network = DinoNetwork(vit, config)
    optimizer = torch.optim.AdamW(network.parameters(), foreach=False)
    for parameter in network.parameters():
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    kept = sum(x.numel() for state in optimizer.state.values() for x in state.values() if x.dim() > 0)
    assert kept == MOMENTS * parameters(DinoPlan().networks(vit, config).trained)


def test_matrices_are_the_weights_of_linear_layers_and_the_patch_projection() -> None:
    vit, config = vit_config("S"), DinoConfig()
    with torch.device("meta"):
        network = DinoNetwork(vit, config)
    weights = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d))
    assert matrices(DinoPlan().networks(vit, config).trained) == weights


def test_the_transformer_of_mae_is_counted_too() -> None:
    vit = vit_config("700M", family="mae")
    with torch.device("meta"):
        network = VisionTransformer(vit)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert parameters(transformer.units(vit)) == trained


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
