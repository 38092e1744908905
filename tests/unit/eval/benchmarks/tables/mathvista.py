"""MathVista: multiple choice by letter; free answers by text in lower case, or within 5 per cent."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases
from tests.unit.eval.benchmarks.tables.letters import lettered

FREE = cases(
    [
        ("1.2", "1.2", 1),
        ("1.20", "1.2", 1),
        (" 1.2 ", "1.2", 1),
        ("1.26", "1.2", 1),  # 5 per cent of 1.2 is 0.06
        ("1.261", "1.2", 0),
        ("1.14", "1.2", 1),
        ("1.139", "1.2", 0),
        ("12e-1", "1.2", 1),
        (".5", "0.5", 1),
        ("5.", "5", 1),
        ("five", "5", 0),
        ("5", "five", 0),
        ("-5", "5", 0),
        ("5%", "5", 0),
        ("5%", "5%", 1),
        ("$5", "5", 0),
        ("5 cm", "5", 0),
        ("1,200", "1200", 0),
        ("0", "0", 1),
        ("-0", "0", 1),
        ("0.001", "0", 0),
        ("1/2", "0.5", 0),
        ("½", "0.5", 0),
        ("The answer is 5", "5", 0),  # free answers have no cues
        ("", "5", 0),
        ("[1, 2]", "[1, 2]", 1),
        ("[1,2]", "[1, 2]", 0),
        ("[2, 1]", "[1, 2]", 0),
        ("Yes", "yes", 1),
        ("yes.", "yes", 0),
        ("the circle", "circle", 0),
        ("٥", "5", 0),  # Arabic-Indic digits are text
        ("−5", "-5", 0),  # so is a minus sign that is no hyphen
        ("5" * 1000, "5", 0),
    ]
)
TABLE = [*FREE, *lettered()]
