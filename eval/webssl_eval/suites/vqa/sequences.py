"""Batches of [visual tokens, what stands behind them, answer]; what stands before them is in `Prefixes`.

Shape letters: B sequences, V visual tokens, L positions, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from webssl_eval.language_models import LanguageModel


class Tuning(NamedTuple):
    """A batch to learn from: inputs (B, L, H), mask (B, L) of real positions, wanted (B, L) of positions whose logits
    predict an answer token, targets (number wanted,) those tokens row by row."""

    inputs: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor


def tuning_batch(
    model: LanguageModel,
    visual_BVH: Tensor,
    behind: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
) -> Tuning:
    """Right-padded sequences; only answer tokens are predicted. behind: tokens between image and answer, row by row."""
    visual = visual_BVH.shape[1]
    texts = [[*cue, *answer[:-1]] for cue, answer in zip(behind, answers, strict=True)]
    longest = max(len(text) for text in texts)
    padded_BL = torch.full((len(texts), longest), model.end, dtype=torch.int64)
    mask_BL = torch.zeros(len(texts), visual + longest, dtype=torch.int64)
    wanted_BL = torch.zeros(len(texts), visual + longest, dtype=torch.bool)
    for row, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        padded_BL[row, : len(text)] = torch.tensor(text)
        mask_BL[row, : visual + len(text)] = 1
        # The logits behind position p predict the token at p + 1.
        wanted_BL[row, visual + len(text) - len(answer) : visual + len(text)] = True
    targets = torch.tensor([token for answer in answers for token in answer])
    embedded_BLH = model.embed(padded_BL)
    inputs_BLH = torch.cat([visual_BVH.to(embedded_BLH.dtype), embedded_BLH], dim=1)
    device = model.device
    return Tuning(inputs_BLH, mask_BL.to(device), wanted_BL.to(device), targets.to(device))


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
