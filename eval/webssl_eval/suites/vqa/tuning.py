"""Tuning the projector through the frozen language model, on answer tokens only.

Source: Cambrian-1, stage 1: AdamW, weight decay 0, cosine to 0 after a linear warm-up over 6 % of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from webssl_trainer.errors import UserError

from webssl_eval.images import ImageRef
from webssl_eval.language_models import LanguageModel, Prefixes
from webssl_eval.suites.vqa.forms import Form
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.questions import Question
from webssl_eval.suites.vqa.sequences import tuning_batch
from webssl_eval.suites.vqa.visual_tokens import TokenTable

WARM_UP = 0.06
_CLIP = 1.0


@dataclass(frozen=True)
class Recipe:
    """How the projector is tuned. learning_rate: the peak. seed: of the order of questions."""

    steps: int
    batch: int
    learning_rate: float
    seed: int


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of step 0, 1, ..., steps - 1."""
    warm = math.ceil(WARM_UP * recipe.steps)
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.steps - warm)))


def order_of(count: int, recipe: Recipe) -> list[list[int]]:
    """Question numbers of every step: each pass over the questions is a new permutation."""
    generator = torch.Generator().manual_seed(recipe.seed)
    needed = recipe.steps * recipe.batch
    numbers: list[int] = []
    while len(numbers) < needed:
        numbers += torch.randperm(count, generator=generator).tolist()
    return [numbers[step * recipe.batch : (step + 1) * recipe.batch] for step in range(recipe.steps)]


def tune(
    projector: Projector,
    model: LanguageModel,
    form: Form,
    prefixes: Prefixes,
    questions: Sequence[Question],
    table: TokenTable[ImageRef],
    recipe: Recipe,
    progress: Callable[[int, int], None],
) -> list[float]:
    """Tune in place; the loss of every step (mean over answer tokens, nats).

    Raises:
        UserError: the loss is not finite.
    """
    optimizer = torch.optim.AdamW(projector.parameters(), betas=(0.9, 0.999), weight_decay=0.0)
    losses: list[float] = []
    for step, numbers in enumerate(order_of(len(questions), recipe)):
        chosen = [questions[number] for number in numbers]
        visual = projector(table.get([question.image for question in chosen]).to(model.device))
        batch = tuning_batch(
            model,
            visual,
            [form.behind(question.question) for question in chosen],
            [form.answer(question.answer) for question in chosen],
        )
        past = prefixes.past([form.before(question.question) for question in chosen])
        loss = F.cross_entropy(model.logits(past, batch.inputs, batch.mask, batch.wanted), batch.targets)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise UserError(
                f"the vqa suite's projector diverged at step {step} (learningRate {recipe.learning_rate}); lower it"
            )
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(projector.parameters(), _CLIP)
        optimizer.step()
        progress(step + 1, recipe.steps)
    return losses
