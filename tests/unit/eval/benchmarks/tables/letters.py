"""Answers to a multiple choice question whose right option is B; every benchmark that is scored by letter uses this table.

The rule: lower case and trimmed; what follows the last cue ("answer is", "answer is:", "answer:"); trimmed; `.:,` off the end,
`(` off the start, `)` off the end; the first character.
"""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import Case

CHOICES = ("Apple", "Banana", "Cherry", "Date")

RIGHT = [
    "B",
    "b",
    "  B ",
    "\tB\n",
    "B.",
    "B:",
    "B,",
    "(B)",
    "(b)",
    "(B).",  # the full stop goes first, then both brackets
    "((b))",
    "B)",
    "B. Banana",
    "B) Banana",
    "(B) Banana",
    "b banana",
    "B, C",  # the first character decides
    "Banana",  # the option's text happens to begin with its letter
    "Because it is yellow",  # so does this: the rule is lenient there
    "The answer is B",
    "The answer is: B",
    "The answer is (B).",
    "Answer: B",
    "Answer:B",
    "ANSWER: (B).",
    "The answer is\nB",
    "The answer is b because it is yellow",
    "A? No, the answer is B",  # only what follows the cue counts
    "Answer: A. Wait, the answer is B",  # the last cue
    "B\u0301",  # B and a combining accent are two characters
    "B" * 5000,
]
WRONG = [
    "A",
    "C.",
    "AB",
    "D. Banana",
    "The answer is B, or the answer is C",  # the last cue again
    "Option B",  # no cue: the first character is o
    "Answer: option B",
    "The yellow fruit",
    "Not B",
    "The answer is",  # nothing follows
    "The answer is the second",
    "",
    "   ",
    ".",
    "()",
    "2",
    "50%",
    "two",
    "**B**",  # marks of Markdown, quotes and square brackets stay
    '"B"',
    "[B]",
    "['B']",
    "- B",
    "1. B",
    ": B",
    "Ｂ",  # full width
    "Б",  # Cyrillic
    "β",
    "ß",
    "Ḃ",
    "A" * 5000,
]


def lettered(choices: tuple[str, ...] = CHOICES, kind: str = "") -> list[Case]:
    """The table for a question with those options, the second being right."""
    return [
        Case(text, ("B",), credit, choices, kind)
        for texts, credit in ((RIGHT, 1.0), (WRONG, 0.0))
        for text in texts
    ]
