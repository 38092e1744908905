"""Every way to compute a block gives the same results: compiled, recomputed, in float8 nearly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode
from webssl_trainer.errors import UserError
from webssl_trainer.model import Compute, VisionTransformer, VitConfig, initialise
from webssl_trainer.model.compute import Hardware, compiled, hardware_of, recomputed, settled
from webssl_trainer.model.drop_path import KeptBranches, kept_branches

SWIGLU = VitConfig(width=80, depth=2, heads=2, patch_size=4, image_size=16, layer_scale=0.5)
GELU = VitConfig(
    width=80, depth=2, heads=2, patch_size=4, image_size=16, layer_scale=None, mlp="gelu", position="sincos"
)
CPU = torch.device("cpu")
Results = tuple[list[Tensor], dict[str, Tensor]]


def network(config: VitConfig, compute: Compute) -> VisionTransformer:
    vit = VisionTransformer(config).double()
    initialise(vit, seed=0)
    for block in vit.blocks:
        block.use(compute)
    return vit


def images(step: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(n, 3, side, side, generator=generator).double() for n, side in ((3, 16), (5, 8))]


def kept(step: int, rate: float = 0.4) -> KeptBranches | None:
    positions = torch.arange(8 * step, 8 * step + 8)
    return kept_branches(
        positions, torch.zeros_like(positions), [3, 5], seed=0, depth=2, drop_rate=rate, device=CPU
    )


def results(vit: VisionTransformer, step: int = 0, rate: float = 0.4) -> Results:
    """Features of two batches, and the gradients of a number made of them."""
    vit.zero_grad()
    outputs = vit(images(step), None, kept(step, rate))
    torch.stack(
        [output.cls.square().sum() + output.patches.sin().sum() for output in outputs]
    ).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in vit.named_parameters() if p.grad is not None}
    return [x.detach() for output in outputs for x in output], gradients


def assert_same(found: Results, expected: Results, atol: float) -> None:
    for one, other in zip(found[0], expected[0], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=atol)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=0, atol=atol, msg=name)


@pytest.mark.parametrize("way", ["selective", "full"])
@pytest.mark.parametrize("rate", [0.0, 0.4, 0.97])
@pytest.mark.parametrize("config", [SWIGLU, GELU], ids=["swiglu", "gelu"])
def test_recomputation_changes_nothing(config: VitConfig, rate: float, way: str) -> None:
    plain, again = network(config, Compute()), network(config, Compute(recompute=way))  # type: ignore[arg-type]
    assert_same(results(again, rate=rate), results(plain, rate=rate), atol=0.0)


class Products(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "mm" in str(func)
        return func(*args, **(kwargs or {}))


def test_a_matrix_product_at_the_end_of_what_is_recomputed_is_computed_once() -> None:
    weight = torch.randn(4, 4, requires_grad=True)

    def run(x: Tensor) -> Tensor:
        return torch.tanh(x) @ weight

    counts = []
    for function in (run, partial(recomputed, run)):
        x = torch.randn(3, 4, requires_grad=True)
        with Products() as mode:
            function(x).sum().backward()  # type: ignore[no-untyped-call]
        counts.append(mode.count)
    assert counts == [3, 3]


def test_compiled_blocks_equal_plain_ones_and_share_their_graphs_whatever_is_dropped() -> None:
    """Six steps of varying sizes in two blocks. It takes many seconds, as a compiler does."""
    plain = network(SWIGLU, Compute())
    before = counters["stats"]["unique_graphs"]
    for way in ("none", "full"):
        vit = network(SWIGLU, Compute(compile=True, recompute=way))  # type: ignore[arg-type]
        assert vit.state_dict().keys() == plain.state_dict().keys()
        for step in range(3):
            assert_same(results(vit, step), results(plain, step), atol=1e-5)
    # The three functions of a block; sizes 0 and 1 may have graphs of their own.
    assert counters["stats"]["unique_graphs"] - before <= 3 + 2


def test_hardware_decides_what_nobody_said() -> None:
    hopper, cpu = Hardware("an H100", (9, 0), True), Hardware("a CPU", None, True)
    asked = Compute(compile=None, recompute="full")
    assert settled(asked, hopper) == Compute(True, "full")
    assert settled(asked, cpu) == Compute(False, "full")
    assert settled(asked, Hardware("an H100", (9, 0), False)) == Compute(False, "full")
    assert settled(Compute(compile=True), cpu) == Compute(compile=True)
    assert settled(Compute(float8=True), hopper).float8


@pytest.mark.parametrize(
    "hardware", [Hardware("a CPU", None, True), Hardware("an A100", (8, 0), True)], ids=str
)
def test_float8_on_older_hardware_is_refused_with_the_mend(hardware: Hardware) -> None:
    with pytest.raises(
        UserError, match=r"spec\.compute\.float8 true .* this is an? \w+: set it to false, or run on H100"
    ):
        settled(Compute(float8=True), hardware)


def test_compilation_without_a_compiler_is_refused_with_the_mend() -> None:
    with pytest.raises(
        UserError, match=r"spec\.compute\.compile true needs a C compiler.*set it to false, or use"
    ):
        settled(Compute(compile=True), Hardware("a CPU", None, False))


def test_a_cpu_is_known_as_one() -> None:
    assert hardware_of(CPU).name == "a CPU"
    assert hardware_of(CPU).capability is None


def test_a_function_is_compiled_once() -> None:
    function: Callable[[Tensor], Tensor] = torch.sin
    assert compiled(function) is compiled(function)
