"""MMMU: multiple choice by letter; open answers after the last cue, full stops off the end, by text or within 5 per cent."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import Case, cases
from tests.unit.eval.benchmarks.tables.letters import lettered

MONEY = ("$6,000", "6000")

OPEN = cases(
    [
        ("6", "6", 1),
        ("6.", "6", 1),
        ("6.0", "6", 1),
        ("6e0", "6", 1),
        ("+6", "6", 1),
        ("6.2", "6", 1),
        ("6.3", "6", 1),  # 5 per cent of 6 is 0.3
        ("6.31", "6", 0),
        ("5.7", "6", 1),
        ("5.69", "6", 0),
        ("-6", "6", 0),
        ("-6.2", "-6", 1),
        ("six", "6", 0),
        ("6", "six", 0),
        ("6%", "6", 0),
        ("6%", "6%", 1),
        ("$6", "6", 0),
        ("6 cm", "6", 0),
        ("6 cm", "6 cm", 1),
        ("1,000", "1000", 0),
        ("1000", "1,000", 0),
        ("0", "0", 1),
        ("0.0", "0", 1),
        ("0.01", "0", 0),  # nothing but 0 is within 5 per cent of 0
        ("The answer is 6", "6", 1),
        ("The answer is: 6.", "6", 1),
        ("Answer: 6 because 2 x 3", "6", 0),
        ("", "6", 0),
        ("[6]", "6", 0),
        ("６", "6", 0),
        ("6" * 400, "6", 0),
        ("nan", "6", 0),
        ("Mitral Valve", "mitral valve", 1),
        ("mitral valve.", "mitral valve", 1),
        ("the mitral valve", "mitral valve", 0),
        ("mitral", "mitral valve", 0),
        ("Müller", "müller", 1),
    ]
)
LISTS = [
    Case("$6,000", MONEY, 1),
    Case("6000", MONEY, 1),
    Case("6300", MONEY, 1),
    Case("6301", MONEY, 0),
    Case("$6,300", MONEY, 0),
    Case("6,000", MONEY, 0),
]
TABLE = [*OPEN, *LISTS, *lettered()]
