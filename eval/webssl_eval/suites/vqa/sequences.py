"""Batches of [visual tokens, prompt, answer] for the language model.

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
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
) -> Tuning:
    """Right-padded sequences; only answer tokens are predicted."""
    visual = visual_BVH.shape[1]
    texts = [[*prompt, *answer[:-1]] for prompt, answer in zip(prompts, answers, strict=True)]
    longest = max(len(text) for text in texts)
    padded = torch.full((len(texts), longest), model.end, dtype=torch.int64)
    mask = torch.zeros(len(texts), visual + longest, dtype=torch.int64)
    wanted = torch.zeros(len(texts), visual + longest, dtype=torch.bool)
    for row, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        padded[row, : len(text)] = torch.tensor(text)
        mask[row, : visual + len(text)] = 1
        # The logits behind position p predict the token at p + 1.
        wanted[row, visual + len(text) - len(answer) : visual + len(text)] = True
    targets = torch.tensor([token for answer in answers for token in answer])
    embedded_BLH = model.embedding(padded.to(model.device))
    inputs_BLH = torch.cat([visual_BVH.to(embedded_BLH.dtype), embedded_BLH], dim=1)
    device = model.device
    return Tuning(inputs_BLH, mask.to(device), wanted.to(device), targets.to(device))


def asking_batch(
    model: LanguageModel, visual_BVH: Tensor, prompts: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Left-padded inputs (B, L, H) and mask (B, L), so that every row ends where its answer begins."""
    visual = visual_BVH.shape[1]
    longest = max(len(prompt) for prompt in prompts)
    padding_H = model.embed([model.end])[0]
    rows = []
    mask = torch.ones(len(prompts), visual + longest, dtype=torch.int64, device=model.device)
    for row, prompt in enumerate(prompts):
        missing = longest - len(prompt)
        mask[row, :missing] = 0
        parts = [padding_H.expand(missing, -1), visual_BVH[row].to(padding_H.dtype), model.embed(prompt)]
        rows.append(torch.cat(parts))
    return torch.stack(rows), mask
