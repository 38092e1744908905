"""MMVP: after the last cue, `.:,` and brackets off: exactly the letter, or the option's text."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

TABLE = cases(
    [
        ("A", "A", 1),
        ("a", "A", 1),
        ("(a)", "A", 1),
        ("(A).", "A", 1),
        ("((a))", "A", 1),
        ("A.", "A", 1),
        ("A)", "A", 1),
        ("a,", "A", 1),
        ("a:", "A", 1),
        ("\nA ", "A", 1),
        ("Open", "A", 1),
        ("open.", "A", 1),
        ("OPEN", "A", 1),
        ("(Open)", "A", 1),
        ("Open\n", "A", 1),
        ("A. Open", "A", 0),  # neither the letter nor the text alone
        ("(a) Open", "A", 0),
        ("a open", "A", 0),
        ("A and B", "A", 0),
        ("AB", "A", 0),
        ("The answer is A", "A", 1),
        ("The answer is: (a)", "A", 1),
        ("Answer: open.", "A", 1),
        ("The answer is B, no, the answer is A", "A", 1),
        ("The answer is", "A", 0),
        ("B", "A", 0),
        ("Closed", "A", 0),
        ("opened", "A", 0),
        ("It is open", "A", 0),
        ("the open", "A", 0),
        ("1", "A", 0),
        ("one", "A", 0),
        ("100%", "A", 0),
        ("", "A", 0),
        ("()", "A", 0),
        ("[A]", "A", 0),
        ("['a']", "A", 0),
        ("**A**", "A", 0),
        ("-A", "A", 0),
        ("Ａ", "A", 0),
        ("А", "A", 0),  # Cyrillic
        ("A" * 1000, "A", 0),
        ("B", "B", 1),
        ("(b)", "B", 1),
        ("closed", "B", 1),
    ],
    ("Open", "Closed"),
)
