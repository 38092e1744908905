"""The block of the vision transformer, and the ways to compute it.

Shape letters: B sequences of a part, L tokens of a sequence, T tokens of a packed batch, D width, H inner width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webssl_trainer.model.attention import attend
from webssl_trainer.model.compute import Compute, compiled, recomputed
from webssl_trainer.model.config import VitConfig
from webssl_trainer.model.drop_path import ATTENTION, MLP, KeptBranches, add_rows
from webssl_trainer.model.float8 import float8_linear
from webssl_trainer.model.packing import Part, pack, unpack


class Linear(nn.Linear):
    """A linear layer whose product can be done in float8."""

    float8 = False

    def forward(self, input: Tensor) -> Tensor:
        """(T, in) -> (T, out)."""
        if self.float8:
            return float8_linear(input, self.weight, self.bias)
        return F.linear(input, self.weight, self.bias)


class Attention(nn.Module):
    """Multi-head self-attention within each sequence of a packed batch."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = Linear(config.width, 3 * config.width)
        self.proj = Linear(config.width, config.width)

    def forward(self, qkv_TE: Tensor, layout: Sequence[Part]) -> Tensor:
        """What lies between the two linear layers: (T, 3 D) -> (T, D)."""
        return attend(qkv_TE, layout, self.heads)


class SwiGlu(nn.Module):
    """Gated MLP: w3(silu(a) * b) with (a, b) = w12(x)."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.w12 = Linear(config.width, 2 * config.mlp_hidden)
        self.w3 = Linear(config.mlp_hidden, config.width)

    def up(self, x_TD: Tensor) -> Tensor:
        """Both halves: (T, D) -> (T, 2 H)."""
        halves: Tensor = self.w12(x_TD)
        return halves

    def down(self, halves_TE: Tensor) -> Tensor:
        """(T, 2 H) -> (T, D)."""
        gate, value = halves_TE.chunk(2, dim=-1)
        projected: Tensor = self.w3(F.silu(gate) * value)
        return projected


class GeluMlp(nn.Module):
    """Two linear layers with GELU in between."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.fc1 = Linear(config.width, config.mlp_hidden)
        self.fc2 = Linear(config.mlp_hidden, config.width)

    def up(self, x_TD: Tensor) -> Tensor:
        """(T, D) -> (T, H)."""
        hidden: Tensor = self.fc1(x_TD)
        return hidden

    def down(self, hidden_TH: Tensor) -> Tensor:
        """(T, H) -> (T, D)."""
        projected: Tensor = self.fc2(F.gelu(hidden_TH))
        return projected


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        self.initial = {"gamma": (initial, 0.0)}

    def forward(self, x_TD: Tensor) -> Tensor:
        """(T, D) -> (T, D)."""
        return x_TD * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block. Images that drop a branch (stochastic depth) are left out of it.

    `compute` says how, with the same parameters and, up to rounding, the same results:

    compile: what surrounds attention is three compiled functions of tokens, (T, D) with T free; attention itself and
    the gathering of images are calls of few kernels that nothing can be fused with.
    recompute `selective`: norms, and what is between the MLP's layers, are computed again; results of matrix products
    and of attention are kept. `full`: only what the block reads is kept.
    """

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.attn = Attention(config)
        self.ls1 = _layer_scale(config)
        self.norm2 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.mlp = SwiGlu(config) if config.mlp == "swiglu" else GeluMlp(config)
        self.ls2 = _layer_scale(config)
        self.compute = Compute()

    def forward(
        self, parts_BLD: Sequence[Tensor], kept: KeptBranches | None = None, index: int = 0
    ) -> list[Tensor]:
        """Batches of sequences (B_i, L_i, D) to the same shapes; kept and index: stochastic depth of this block."""
        run = partial(self._both, kept, index)
        return recomputed(run, *parts_BLD) if self.compute.recompute == "full" else run(*parts_BLD)

    def attention(self, x_TD: Tensor, layout: Sequence[Part]) -> Tensor:
        """The first branch: (T, D) -> (T, D)."""
        qkv_TE = self._call(_normed, self.norm1, self.attn.qkv, x_TD)
        return self._call(_scaled, self.attn.proj, self.ls1, self.attn(qkv_TE, layout))

    def mlp_branch(self, x_TD: Tensor, layout: Sequence[Part]) -> Tensor:
        """The second branch: (T, D) -> (T, D)."""
        del layout  # tokens do not see each other here
        return self._call(_mlp, self.norm2, self.mlp, self.ls2, x_TD)

    def use(self, compute: Compute) -> None:
        """Compute this way from now on."""
        self.compute = compute
        for module in self.modules():
            if isinstance(module, Linear):
                module.float8 = compute.float8

    def _both(self, kept: KeptBranches | None, index: int, *parts_BLD: Tensor) -> list[Tensor]:
        middle_BLD = _residual(parts_BLD, self.attention, kept, index, ATTENTION)
        return _residual(middle_BLD, self.mlp_branch, kept, index, MLP)

    def _call(self, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        function = compiled(function) if self.compute.compile else function
        return function(self.compute.recompute == "selective", *arguments)


def _normed(again: bool, norm: nn.Module, linear: nn.Module, x_TD: Tensor) -> Tensor:
    """linear(norm(x)), without keeping norm(x) where `again`."""

    def run(x_TD: Tensor) -> Tensor:
        result: Tensor = linear(norm(x_TD))
        return result

    return recomputed(run, x_TD) if again else run(x_TD)


def _scaled(again: bool, linear: nn.Module, scale: nn.Module, x_TD: Tensor) -> Tensor:
    """scale(linear(x)). Nothing in it is worth computing again."""
    del again
    result: Tensor = scale(linear(x_TD))
    return result


def _mlp(again: bool, norm: nn.Module, mlp: SwiGlu | GeluMlp, scale: nn.Module, x_TD: Tensor) -> Tensor:
    """scale(mlp(norm(x))), keeping what the first layer gives and neither norm(x) nor what the second reads where
    `again`."""

    def up(x_TD: Tensor) -> Tensor:
        return mlp.up(norm(x_TD))

    inner_TE = recomputed(up, x_TD) if again else up(x_TD)
    result: Tensor = scale(recomputed(mlp.down, inner_TE) if again else mlp.down(inner_TE))
    return result


def _layer_scale(config: VitConfig) -> nn.Module:
    return nn.Identity() if config.layer_scale is None else LayerScale(config.width, config.layer_scale)


def _residual(
    parts_BLD: Sequence[Tensor],
    branch: Callable[[Tensor, Sequence[Part]], Tensor],
    kept: KeptBranches | None,
    index: int,
    which: int,
) -> list[Tensor]:
    """x + branch(x) for the images that keep the branch, x for the others; all of them run as one packed batch."""
    if kept is None:
        x_TD, layout = pack(parts_BLD)
        return [x + y for x, y in zip(parts_BLD, unpack(branch(x_TD, layout), layout), strict=True)]
    images = kept.images[index][which]
    x_TD, layout = pack([x.index_select(0, some) for x, some in zip(parts_BLD, images, strict=True)])
    return [
        add_rows(x, some, y.to(x.dtype), kept.scale)
        for x, some, y in zip(parts_BLD, images, unpack(branch(x_TD, layout), layout), strict=True)
    ]
