"""Losses, learning rate and gradient norm over steps: one panel each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.observe.pictures.canvas import ALARM, BAND, GRID, INK, LINE, SOFT, Canvas
from webssl_trainer.observe.pictures.history import GRADIENT_NORM, History

COLUMNS = 3
CELL_WIDTH, CELL_HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 40, 34
HEAD = 58
_MANY = 50.0
"""Largest over smallest value from which on the axis is logarithmic."""
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Binned:
    """A series in at most so many bins: middle step, smallest, mean and largest value of each bin; bins without values left out."""

    steps: F64
    low: F64
    mean: F64
    high: F64


def binned(steps: F64, values: F64, bins: int) -> Binned:
    """Bins of equal numbers of steps over all steps; values that are not finite count for nothing."""
    good = np.isfinite(values)
    steps, values = steps[good], values[good]
    if not len(steps):
        return Binned(*(np.empty(0) for _ in range(4)))
    width = max((steps[-1] - steps[0] + 1) / bins, 1.0)
    numbers = ((steps - steps[0]) // width).astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    counts = np.diff(starts, append=len(steps))
    return Binned(
        np.add.reduceat(steps, starts) / counts,
        np.minimum.reduceat(values, starts),
        np.add.reduceat(values, starts) / counts,
        np.maximum.reduceat(values, starts),
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within [low, high]: multiples of 1, 2 or 5 times a power of ten."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(step * m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= most)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within [low, high], at most six."""
    exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return [10.0**n for n in exponents[:: -(-len(exponents) // 6) or 1]]


def number(value: float) -> str:
    """A number for an axis, in few characters."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def loss_picture(history: History, title: str) -> bytes:
    """PNG of all series. Bands: smallest and largest value of the steps that share a pixel; lines: their mean."""
    names = history.names
    rows = max(1, math.ceil(len(names) / COLUMNS))
    canvas = Canvas(COLUMNS * CELL_WIDTH, HEAD + rows * CELL_HEIGHT)
    canvas.text((LEFT, 30), title, size=16, colour=INK)
    facts = f"steps: {len(history.steps):,}, skipped (red): {len(history.skipped):,}, restarts (dashed): {len(history.changes):,}"
    canvas.text((LEFT, 48), facts)
    steps = np.asarray(history.steps, dtype=np.float64)
    for place, name in enumerate(names):
        left, top = place % COLUMNS * CELL_WIDTH + LEFT, HEAD + place // COLUMNS * CELL_HEIGHT + TOP
        marks = history.skipped if name == GRADIENT_NORM else []
        _Panel(canvas, left, top, steps).draw(
            name, np.asarray(history.series[name], dtype=np.float64), history.changes, marks
        )
    return canvas.png()


class _Panel:
    def __init__(self, canvas: Canvas, left: float, top: float, steps: F64) -> None:
        self._canvas, self._left, self._top = canvas, left, top
        self._width, self._height = CELL_WIDTH - LEFT - RIGHT, CELL_HEIGHT - TOP - BOTTOM
        self._steps = steps
        self._first, self._last = float(steps[0]), float(max(steps[-1], steps[0] + 1))

    def draw(self, name: str, values: F64, changes: Sequence[int], marks: Sequence[int]) -> None:
        canvas, bottom = self._canvas, self._top + self._height
        canvas.text((self._left, self._top - 14), name, size=13, colour=INK)
        bins = binned(self._steps, values, int(self._width))
        self._scale(bins)
        for value in log_ticks(self._low, self._high) if self._log else ticks(self._low, self._high):
            y = self._y(value)
            canvas.line([(self._left, y), (self._left + self._width, y)], GRID)
            canvas.text((self._left - 7, y), number(value), anchor="rm")
        for step in (tick for tick in ticks(self._first, self._last, 4) if tick == int(tick)):
            canvas.text((self._x(step), bottom + 17), number(step), anchor="ms")
        for step in changes:
            for y in range(int(self._top), int(bottom), 6):
                canvas.line([(self._x(step), y), (self._x(step), y + 3)], SOFT, 0.5)
        if len(bins.steps):
            xs = [self._x(step) for step in bins.steps]
            edge = [(x, self._y(v)) for x, v in zip(xs, bins.high, strict=True)]
            back = [(x, self._y(v)) for x, v in zip(xs, bins.low, strict=True)]
            if len(xs) > 1:
                canvas.area([*edge, *reversed(back)], BAND)
            canvas.line([(x, self._y(v)) for x, v in zip(xs, bins.mean, strict=True)], LINE, 1.5)
        for step in marks:
            canvas.line([(self._x(step), bottom), (self._x(step), bottom - 6)], ALARM)

    def _scale(self, bins: Binned) -> None:
        low, high = (float(bins.low.min()), float(bins.high.max())) if len(bins.steps) else (0.0, 1.0)
        self._log = low > 0 and high / low > _MANY
        if self._log:
            self._low, self._high = low / 1.2, high * 1.2
        else:
            room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
            self._low, self._high = low - room, high + room

    def _x(self, step: float) -> float:
        return self._left + self._width * (step - self._first) / (self._last - self._first)

    def _y(self, value: float) -> float:
        low, high = self._low, self._high
        if self._log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self._top + self._height * (high - value) / (high - low)
