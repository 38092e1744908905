"""Batches of [visual tokens, what stands behind them, answer]; what stands before them is in `Prefixes`.

Shape letters: B sequences, V visual tokens, L positions, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.vqa.forms import Example


class Tuning(NamedTuple):
    """Sequences to learn from, padded on the right; what stands in a `Prefixes` before them is not in them.

    Attributes:
        tokens: int64 (B, L), the end token where no text stands.
        slots: bool (B, L), places of visual tokens, V in each row that has an image.
        mask: int64 (B, L), 1 for real positions.
        wanted: bool (B, L), positions whose logits predict a learned token.
        targets: int64 (number wanted,), those tokens row by row.
    """

    tokens: Tensor
    slots: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Tuning:
        """The same on a device."""
        return Tuning(*(tensor.to(device, non_blocking=True) for tensor in self))


def tuning_batch(examples: Sequence[Example], visual: int, end: int, whole: bool) -> Tuning:
    """Sequences of examples; the last token of each is predicted, never fed in.

    Args:
        examples: the rows.
        visual: visual tokens V of an image.
        end: the token to pad with.
        whole: from the first token on; else from the visual tokens on, and every example must have an image.
    """
    rows = [_sequence(example, visual, end, whole) for example in examples]
    longest = max(1, *(len(tokens) - 1 for tokens, _, _ in rows))
    shape = (len(rows), longest)
    tokens_BL = torch.full(shape, end, dtype=torch.int64)
    slots_BL, wanted_BL = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    mask_BL = torch.zeros(shape, dtype=torch.int64)
    targets: list[int] = []
    for row, (tokens, slots, learned) in enumerate(rows):
        fed = len(tokens) - 1
        tokens_BL[row, :fed] = torch.tensor(tokens[:-1], dtype=torch.int64)
        slots_BL[row, :fed] = torch.tensor(slots[:-1], dtype=torch.bool)
        mask_BL[row, :fed] = 1
        # The logits behind position p predict the token at p + 1.
        wanted_BL[row, :fed] = torch.tensor(learned[1:], dtype=torch.bool)
        targets += [token for token, is_learned in zip(tokens[1:], learned[1:], strict=True) if is_learned]
    return Tuning(tokens_BL, slots_BL, mask_BL, wanted_BL, torch.tensor(targets, dtype=torch.int64))


def learned_tokens(example: Example, whole: bool) -> int:
    """How many tokens of an example `tuning_batch` predicts."""
    if whole:
        # Nothing predicts the very first position of a sequence.
        return sum(example.learned) - (example.at != 0 and bool(example.learned[:1] and example.learned[0]))
    return sum(example.learned[example.at or 0 :])


def _sequence(
    example: Example, visual: int, end: int, whole: bool
) -> tuple[list[int], list[bool], list[bool]]:
    """Tokens, places of visual tokens, and what is learned, over all positions."""
    at = example.at
    tokens, learned = list(example.tokens), list(example.learned)
    slots = [False] * len(tokens)
    if at is not None:
        tokens[at:at], learned[at:at], slots[at:at] = [end] * visual, [False] * visual, [True] * visual
        if not whole:
            tokens, learned, slots = tokens[at:], learned[at:], slots[at:]
    return tokens, slots, learned


def with_visual(embedded_BLH: Tensor, slots_BL: Tensor, visual_BVH: Tensor) -> Tensor:
    """Embeddings with visual tokens in their places, (B, L, H); visual_BVH: of the rows that have an image, in order."""
    if not len(visual_BVH):
        return embedded_BLH
    return embedded_BLH.masked_scatter(slots_BL[..., None], visual_BVH.to(embedded_BLH.dtype))


def asking_batch(
    model: LanguageModel, visual_BVH: Tensor, behind: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Visual tokens and the tokens behind them, padded on the right: (B, V + L, H); and the mask of real positions, (B, V + L)."""
    visual = visual_BVH.shape[1]
    longest = max(map(len, behind))
    padded_BL = torch.tensor([[*row, *[model.end] * (longest - len(row))] for row in behind])
    lengths_B = torch.tensor([visual + len(row) for row in behind])
    mask_BL = (torch.arange(visual + longest) < lengths_B[:, None]).long()
    behind_BLH = model.embed(padded_BL)
    inputs_BLH = torch.cat([visual_BVH.to(behind_BLH.dtype), behind_BLH], dim=1)
    return inputs_BLH, mask_BL.to(model.device)
