"""Steps whose loss or gradient is not finite are skipped; too many in a row mean that the run has diverged."""

from __future__ import annotations

import math

MOST_IN_A_ROW = 20


class DivergedError(Exception):
    """Too many steps in a row were not finite: this attempt ends, and the next goes on from the last checkpoint."""


class FiniteGuard:
    """Counts steps that were skipped in a row.

    Losses and gradient norms are equal on all processes (see `Objective.forward_backward` and `clip_gradients`), so all
    guards decide alike.
    """

    def __init__(self, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self._most = most_in_a_row
        self.in_a_row = 0

    def accept(self, loss: float, gradient_norm: float) -> bool:
        """Whether the optimizer may use a step's gradient."""
        finite = math.isfinite(loss) and math.isfinite(gradient_norm)
        self.in_a_row = 0 if finite else self.in_a_row + 1
        return finite

    @property
    def has_diverged(self) -> bool:
        """Whether as many steps in a row were skipped as are allowed."""
        return self.in_a_row >= self._most
