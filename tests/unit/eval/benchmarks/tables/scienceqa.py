"""ScienceQA: after the last cue, full stops off the end: the part before the first full stop is the letter, or the whole,
without ASCII punctuation, is the option's text."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

CHOICES = ("Rome", "the Moon", "3.5 kg", "50%")

TABLE = cases(
    [
        ("B", "B", 1),
        ("b", "B", 1),
        ("B.", "B", 1),
        ("B\n", "B", 1),
        ("B. the Moon", "B", 1),
        ("b. anything", "B", 1),
        ("B.\nthe Moon", "B", 1),
        ("B . the Moon", "B", 0),  # "b " is before the full stop
        ("(B)", "B", 0),
        ("B)", "B", 0),
        ("B:", "B", 0),
        ("B the Moon", "B", 0),
        ("A", "B", 0),
        ("A. the Moon", "B", 0),
        ("the Moon", "B", 1),
        ("THE MOON!", "B", 1),
        ('"the Moon"', "B", 1),
        ("the moon...", "B", 1),
        ("[the Moon]", "B", 1),
        ("Moon", "B", 0),  # articles count
        ("the  moon", "B", 0),
        ("the-moon", "B", 0),  # the hyphen goes, and leaves one word
        ("a the moon", "B", 0),
        ("The answer is B", "B", 1),
        ("The answer is: the Moon.", "B", 1),
        ("Answer: B.", "B", 1),
        ("Answer: (B)", "B", 0),
        ("The answer is A. Sorry, the answer is B.", "B", 1),
        ("", "B", 0),
        (".", "B", 0),
        ("!?", "B", 0),
        ("2", "B", 0),
        ("['B']", "B", 0),
        ("Ｂ", "B", 0),
        ("月", "B", 0),
        ("B" * 3000, "B", 0),
        ("3.5 kg", "C", 1),
        ("3.5 kg.", "C", 1),
        ("35 kg", "C", 1),  # without punctuation they are the same
        ("3,5 kg", "C", 1),
        ("3.5kg", "C", 0),
        ("3.5", "C", 0),
        ("C. 3.5 kg", "C", 1),
        ("50%", "D", 1),
        ("50", "D", 1),  # the per cent sign is punctuation
        ("fifty", "D", 0),
        ("50 %", "D", 1),  # "50 " is trimmed after the sign is gone
    ],
    CHOICES,
)
