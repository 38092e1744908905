"""Steps whose loss or gradient is not finite are skipped; many in a row end the run. Pure but for its counter."""

from __future__ import annotations

import math

from webssl_trainer.errors import UserError

MOST_IN_A_ROW = 20


class FiniteGuard:
    """Counts steps that were skipped in a row."""

    def __init__(self, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self._most = most_in_a_row
        self._in_a_row = 0

    def accept(self, step: int, loss: float, gradient_norm: float, learning_rate: float) -> bool:
        """Whether the optimizer may use this step's gradient.

        Raises UserError when too many in a row were not finite: the run has diverged, and would again from its checkpoint.
        """
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            self._in_a_row = 0
            return True
        self._in_a_row += 1
        if self._in_a_row >= self._most:
            raise UserError(
                f"loss {loss} and gradient norm {gradient_norm} have not been finite for {self._in_a_row} steps up to step {step} "
                f"(learning rate {learning_rate:.3g}): the run has diverged; lower spec.optimizer.learningRate in a new run"
            )
        return False
