"""Numbers of all steps so far, in little memory: 8 bytes for each."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

LEARNING_RATE, GRADIENT_NORM = "learning rate", "gradient norm"


class History:
    """Series over steps, from the records of a step log in their order.

    steps: numbers of the steps. series: for each name one value per step, NaN where there is none. skipped: steps whose gradient was
    not used. changes: for each attempt but the first, its first step that counts.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.series: dict[str, array[float]] = {}
        self.skipped: list[int] = []
        self.changes: list[int] = []
        self._attempt: int | None = None

    def add(self, record: Mapping[str, Any]) -> None:
        """The record of the next step."""
        step = int(record["step"])
        values = {**record["losses"], GRADIENT_NORM: record["grad_norm"], LEARNING_RATE: record["lr"]}
        for name in values.keys() - self.series.keys():
            self.series[name] = array("d", [math.nan]) * len(self.steps)
        self.steps.append(step)
        for name, series in self.series.items():
            series.append(float(values.get(name, math.nan)))
        if record.get("skipped"):
            self.skipped.append(step)
        if self._attempt not in (None, record["attempt"]):
            self.changes.append(step)
        self._attempt = record["attempt"]

    @property
    def names(self) -> list[str]:
        """The loss, its terms by name, then learning rate and gradient norm."""
        last = [LEARNING_RATE, GRADIENT_NORM]
        terms = sorted(self.series.keys() - {"loss", *last})
        return [name for name in ("loss", *terms, *last) if name in self.series]
