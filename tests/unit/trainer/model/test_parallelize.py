"""Networks on processes: what is gathered ahead, and that compiled and recomputed blocks work when they are sharded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from webssl_trainer.model import Compute, Parallel, VisionTransformer, VitConfig
from webssl_trainer.model.block import Block

CPU = torch.device("cpu")
CONFIG = VitConfig(width=24, depth=3, heads=2, patch_size=4, image_size=16, layer_scale=0.5)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[dist.ProcessGroup]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield dist.group.WORLD  # type: ignore[misc]
    dist.destroy_process_group()


def placed(parallel: Parallel) -> VisionTransformer:
    with torch.device("meta"):
        vit = VisionTransformer(CONFIG)
    parallel.place(vit, list(vit.blocks), seed=0)
    return vit


def ahead(unit: torch.nn.Module, direction: str) -> list[object]:
    """Units that a unit gathers ahead; torch has no public way to ask."""
    assert isinstance(unit, FSDPModule)
    states = getattr(unit._get_fsdp_state(), f"_states_to_{direction}_prefetch")
    return [id(state) for state in states]


def test_each_unit_gathers_the_next_one_forward_and_the_one_before_backward(
    one_process: dist.ProcessGroup,
) -> None:
    vit = placed(Parallel(CPU, one_process, shard=True))
    root, first, second, third = (id(m._get_fsdp_state()) for m in (vit, *vit.blocks))  # type: ignore[operator]
    assert [ahead(m, "forward") for m in (vit, *vit.blocks)] == [[first], [second], [third], []]
    assert [ahead(m, "backward") for m in (vit, *vit.blocks)] == [[], [], [first], [second]]
    assert root not in (first, second, third)


def test_every_block_computes_as_it_was_asked_to() -> None:
    compute = Compute(recompute="selective", float8=True)
    vit = placed(Parallel(CPU, compute=compute))
    blocks = [module for module in vit.modules() if isinstance(module, Block)]
    assert len(blocks) == 3
    assert all(block.compute == compute and block.attn.qkv.float8 for block in blocks)


@pytest.mark.parametrize("way", ["selective", "full"])
def test_sharded_blocks_that_recompute_have_the_gradients_of_whole_ones(
    one_process: dist.ProcessGroup, way: str
) -> None:
    images, results = torch.randn(2, 3, 16, 16), []
    for parallel in (
        Parallel(CPU),
        Parallel(CPU, one_process, shard=True, compute=Compute(recompute=way)),  # type: ignore[arg-type]
    ):
        vit = placed(parallel)
        (output,) = vit([images])
        output.patches.square().sum().backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in vit.named_parameters() if p.grad is not None}
        results.append({name: getattr(g, "full_tensor", lambda g=g: g)() for name, g in gradients.items()})
    plain, sharded = results
    assert plain.keys() == sharded.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(sharded[name], gradient, rtol=1e-5, atol=1e-5, msg=name)
