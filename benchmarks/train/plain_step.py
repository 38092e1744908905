"""What every plain step ends with: clipping, an optimizer that goes from tensor to tensor, a loss that is waited for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from webssl_trainer.data.batch import Batch
from webssl_trainer.objectives import StepContext

Loss = Callable[[Batch, StepContext], Tensor]


class PlainStep:
    """Optimizer steps of `network`, which it trains in place.

    loss: of a batch, with its graph. after: what follows the optimizer.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        learning_rate: float,
        after: Callable[[StepContext], None] | None = None,
    ) -> None:
        self._network, self._loss, self._after = network, loss, after
        trained = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=learning_rate, foreach=False, fused=False)

    def __call__(self, batch: Batch, ctx: StepContext) -> float:
        """One optimizer step; its loss, before the step."""
        loss = self._loss(batch, ctx)
        loss.backward()  # type: ignore[no-untyped-call]
        for child in self._network.children():
            torch.nn.utils.clip_grad_norm_(child.parameters(), 3.0, foreach=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self._after is not None:
            self._after(ctx)
        return float(loss.detach())
