"""Round numbers on an axis, and how they are written."""

from __future__ import annotations

import math


def ticks(low: float, high: float, at_most: int = 4) -> list[float]:
    """Round numbers from low to high, about as many as asked for."""
    if high <= low:
        return [low]
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def steps_text(step: float) -> str:
    """A number of steps for an axis: 400, 100k, 1.25M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if step >= size:
            return f"{step / size:.4g}{unit}"
    return f"{step:.4g}"


def value_text(value: float) -> str:
    """A scheduled value for an axis: at most four digits, small ones with an exponent."""
    if value == 0 or abs(value) >= 1e-2:
        return f"{value:.4g}"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value / 10**exponent:.3g}e{exponent}"
