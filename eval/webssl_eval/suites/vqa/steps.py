"""One optimizer step over the rows of all processes: micro-batches, summed gradients, one clipped step.

The loss is the mean over all answer tokens of the global batch, so neither the number of processes nor the size of micro-batches
changes it. Source: LLaVA's and Cambrian-1's recipe (AdamW, weight decay 0, gradients clipped to a norm of 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from webssl_trainer.errors import UserError
from webssl_trainer.optim.gradients import sum_gradients

from webssl_eval.suites.vqa.forms import Example
from webssl_eval.suites.vqa.generation import is_memory
from webssl_eval.suites.vqa.sequences import learned_tokens
from webssl_eval.suites.vqa.students import Student

CLIP = 1.0
Features = Callable[[Sequence[int]], Tensor]
"""Features of images by number, float32 (B, V, D)."""


class MemoryLackError(Exception):
    """A micro-batch did not fit the memory where processes compute together: all must start again with smaller ones."""


@dataclass(frozen=True)
class Row:
    """One row of a step. image: number of its image, None for text only."""

    example: Example
    image: int | None


class Stepper:
    """Computes steps. What does not fit the memory is computed in halves; `rows` is the size that fits.

    Args:
        student: what learns.
        optimizer: over the student's parameters.
        features: of images.
        rows: rows of a micro-batch at first.
        group: the processes, each with a share of the rows; None for one.
    """

    def __init__(
        self,
        student: Student,
        optimizer: torch.optim.Optimizer,
        features: Features,
        rows: int,
        group: dist.ProcessGroup | None,
    ) -> None:
        self._student, self._optimizer, self._features = student, optimizer, features
        self.rows, self._group = rows, group

    def gradients(self, mine: Sequence[Row], most: int) -> float:
        """Gradients of the mean loss of a step over all processes, in place; that loss.

        Args:
            mine: rows of this process.
            most: rows of the process that has most.

        Raises:
            UserError: one row alone does not fit the memory.
            MemoryLackError: see there.
        """
        tokens = self._summed(float(sum(learned_tokens(row.example, self._student.whole) for row in mine)))
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            # The whole step anew: a backward pass that ended half way has added to some gradients.
            loss = self._attempt(mine, most, max(tokens, 1.0))
            if loss is not None:
                break
            self._halve(len(mine))
        sum_gradients(self._student.module, self._group)
        return self._summed(loss)

    def apply(self, rate: float) -> None:
        """Clip the gradients and make the step."""
        parameters = [p for p in self._student.module.parameters() if p.grad is not None]
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        clip_grads_with_norm_(parameters, CLIP, norm.full_tensor() if isinstance(norm, DTensor) else norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()

    def _attempt(self, mine: Sequence[Row], most: int, tokens: float) -> float | None:
        """The sum of losses over `tokens`, with gradients; None when the memory did not suffice."""
        total = 0.0
        try:
            for chunk, weight in self._chunks(mine, most):
                loss = self._loss(chunk) * (weight / tokens)
                loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_memory(error):
                raise
            if self._student.sharded:
                raise MemoryLackError(str(error)) from error
            return None
        return total

    def _chunks(self, mine: Sequence[Row], most: int) -> list[tuple[Sequence[Row], float]]:
        """Micro-batches of rows of like length, the longest first; where passes are collective everybody has as many."""
        ordered = sorted(mine, key=lambda row: -len(row.example.tokens))
        chunks: list[tuple[Sequence[Row], float]] = [
            (ordered[at : at + self.rows], 1.0) for at in range(0, len(ordered), self.rows)
        ]
        if self._student.sharded:
            chunks += [(ordered[-1:], 0.0)] * (-(-most // self.rows) - len(chunks))
        return chunks

    def _loss(self, rows: Sequence[Row]) -> Tensor:
        images = [row.image for row in rows if row.image is not None and row.example.at is not None]
        return self._student.loss([row.example for row in rows], self._features(images))

    def halved(self, rows: int) -> int:
        """The next smaller size of micro-batches, when `rows` rows did not fit."""
        return max(1, min(self.rows, rows) // 2)

    def _halve(self, rows: int) -> None:
        if min(self.rows, rows) == 1:
            raise UserError(
                "one training sequence alone does not fit the memory; give the evaluation pod more, lower maxLength or "
                "visualTokens, or name a smaller languageModel"
            )
        self.rows = self.halved(rows)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _summed(self, value: float) -> float:
        if self._group is None:
            return value
        device = next(self._student.module.parameters()).device
        total = torch.tensor(value, dtype=torch.float64, device=device)
        dist.all_reduce(total, group=self._group)
        return float(total)


def adamw(module: nn.Module) -> torch.optim.AdamW:
    """The optimizer of both stages."""
    return torch.optim.AdamW(
        [p for p in module.parameters() if p.requires_grad], lr=0.0, betas=(0.9, 0.999), weight_decay=0.0
    )
