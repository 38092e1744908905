"""Many linear heads trained at once: heads that read the same features are one stack, and one product runs them all.

Source: DINOv2's linear evaluation: SGD with momentum 0.9 without weight decay, weights from N(0, 0.01), cosine decay to 0.

Shape letters: H heads of a stack, B images, F features that they read, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from webssl_eval.suites.linear.grid import Head

MOMENTUM = 0.9
_FIRST_SPREAD = 0.01


@dataclass
class _Stack:
    """Heads of one input: weights (F, H, C), biases (H, C), their momenta, and peak learning rates (H, 1).

    All heads read the same rows, so a stack is one matrix (F, H * C): one product is faster than a batched one, which would
    take the rows once for each head.
    """

    heads: list[Head]
    reads: slice
    weights: Tensor
    biases: Tensor
    weight_momenta: Tensor
    bias_momenta: Tensor
    rates: Tensor


class HeadStacks:
    """All heads of a grid.

    Args:
        heads: the heads, those of one input side by side.
        read_layers: CLS tokens in the readings, see `grid`.
        width: width of each token.
        classes: number of classes.
        batch: images per step, for the learning rates.
        seed: of the first weights.
        device: where they are.
    """

    def __init__(
        self,
        heads: Sequence[Head],
        read_layers: int,
        width: int,
        classes: int,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.heads = list(heads)
        self._stacks: list[_Stack] = []
        for (layers, mean_patch), group in groupby(heads, lambda head: (head.layers, head.mean_patch)):
            members = list(group)
            reads = Head(layers, mean_patch, 0.0).reads(read_layers, width)
            drawn = [_first_weights(head.seed(seed), reads.stop - reads.start, classes) for head in members]
            weights = torch.stack(drawn, dim=1).to(device)
            biases = torch.zeros(len(members), classes, device=device)
            rates = torch.tensor([head.peak_rate(batch) for head in members], device=device)[:, None]
            momenta = torch.zeros_like(weights), torch.zeros_like(biases)
            self._stacks.append(_Stack(members, reads, weights, biases, *momenta, rates))

    def logits(self, readings_BR: Tensor) -> Tensor:
        """float32 (B, R) readings -> logits of all heads in the order of `heads`, (heads, B, C)."""
        return torch.cat([_logits(stack, readings_BR) for stack in self._stacks])

    def step(self, readings_BR: Tensor, labels_B: Tensor, share: float) -> Tensor:
        """One step of SGD for every head by its own mean cross-entropy.

        Args:
            readings_BR: float32 (B, R).
            labels_B: int64 (B,), class numbers.
            share: part of the peak learning rate, see `cosine`.

        Returns:
            Loss of each head before the step, (heads,).
        """
        return torch.cat([_step(stack, readings_BR, labels_B, share) for stack in self._stacks])

    def state(self, head: Head) -> tuple[Tensor, Tensor]:
        """Weights (F, C) and biases (C,) of one head."""
        for stack in self._stacks:
            if head in stack.heads:
                at = stack.heads.index(head)
                return stack.weights[:, at], stack.biases[at]
        raise KeyError(head.name)


def cosine(step: int, steps: int) -> float:
    """Share of the peak learning rate in step 0, 1, ..., steps - 1."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def _first_weights(seed: int, features: int, classes: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return _FIRST_SPREAD * torch.randn(features, classes, generator=generator)


def _logits(stack: _Stack, readings_BR: Tensor) -> Tensor:
    """(B, R) -> (H, B, C)."""
    flat_BK = readings_BR[:, stack.reads] @ stack.weights.flatten(1)
    return (flat_BK.view(-1, *stack.biases.shape) + stack.biases).transpose(0, 1)


def _step(stack: _Stack, readings_BR: Tensor, labels_B: Tensor, share: float) -> Tensor:
    """The gradient of the mean cross-entropy is written out: softmax minus the true class, over B."""
    count = len(labels_B)
    log_BHC = F.log_softmax(_logits(stack, readings_BR).transpose(0, 1), dim=-1)
    index_BH1 = labels_B[:, None, None].expand(-1, len(stack.heads), 1)
    losses_H = -log_BHC.gather(2, index_BH1).mean(dim=(0, 2))
    slope_BHC = log_BHC.exp_().scatter_add_(2, index_BH1, -torch.ones_like(index_BH1, dtype=log_BHC.dtype))
    slope_BHC /= count
    rates_H1 = share * stack.rates
    read_FB = readings_BR[:, stack.reads].T
    stack.weight_momenta.flatten(1).mul_(MOMENTUM).addmm_(read_FB, slope_BHC.flatten(1))
    stack.bias_momenta.mul_(MOMENTUM).add_(slope_BHC.sum(0))
    stack.weights.addcmul_(stack.weight_momenta, rates_H1, value=-1)
    stack.biases.addcmul_(stack.bias_momenta, rates_H1, value=-1)
    return losses_H
