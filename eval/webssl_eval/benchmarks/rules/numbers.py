"""Answers that are numbers, and how near is near enough."""

from __future__ import annotations

import re
from math import isinf

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
TOLERANCE = 0.05
"""5 per cent of the reference (ChartQA, section 5.1)."""


def number(text: str) -> float | None:
    """The number that a whole text is, in decimal or exponent form; None for any other text.

    Digits are ASCII. Words ("two"), units ("3 m"), currency ("$5") and grouped digits ("1,000") are no numbers in the published rules.
    """
    found = _NUMBER.fullmatch(text.strip())
    return float(found[0]) if found else None


def number_or_percentage(text: str) -> float | None:
    """As `number`, and a number with a per cent sign is a hundredth of it."""
    stripped = text.strip()
    if stripped.endswith("%"):
        share = number(stripped[:-1])
        return None if share is None else share / 100
    return number(stripped)


def near(answer: float, reference: float) -> bool:
    """Whether an answer is at most 5 per cent of the reference away from it; nothing but 0 is near 0.

    A last digit of rounding is allowed: 105 is near 100, whose 5 per cent no binary fraction holds exactly.
    """
    if isinf(answer) or isinf(reference):
        return answer == reference  # digits beyond what a float holds
    return abs(answer - reference) <= abs(reference) * TOLERANCE * (1 + 1e-9)
