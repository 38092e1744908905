"""RealWorldQA: after the last cue, full stops off the end: the first word, or the whole, is the reference in lower case."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

TABLE = cases(
    [
        ("A", "A", 1),
        ("a", "A", 1),
        ("A.", "A", 1),
        ("\nA\n", "A", 1),
        ("A the car", "A", 1),
        ("A\tbecause", "A", 1),
        ("A. The car", "A", 0),  # the first word is "a."
        ("A, the car", "A", 0),
        ("(A)", "A", 0),
        ("A)", "A", 0),
        ("[A]", "A", 0),
        ("['A']", "A", 0),
        ("B", "A", 0),
        ("The answer is A", "A", 1),
        ("The answer is: A.", "A", 1),
        ("Answer: A", "A", 1),
        ("Answer: B. No, the answer is A", "A", 1),
        ("The answer is", "A", 0),
        ("Yes", "yes", 1),
        ("Yes there is", "Yes", 1),
        ("Yes, there is", "Yes", 0),
        ("no.", "No", 1),
        ("3", "3", 1),
        ("3.", "3", 1),
        ("3 cars", "3", 1),
        ("3cars", "3", 0),
        ("3.0", "3", 0),
        ("three", "3", 0),
        ("3", "three", 0),
        ("70 km/h", "70", 1),
        ("70km/h", "70", 0),
        ("45%", "45%", 1),
        ("45%", "45", 0),
        ("45 %", "45", 1),
        ("the left", "left", 0),  # articles are words
        ("Left lane", "Left lane", 1),  # the whole
        ("left", "Left lane", 0),
        ("left lane closed", "Left lane", 0),
        ("École", "école", 1),
        ("Ａ", "A", 0),
        ("", "3", 0),
        (" ", "3", 0),
        (".", "3", 0),
        ("A " * 2000, "A", 1),
    ]
)
