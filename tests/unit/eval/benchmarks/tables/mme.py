"""MME: lower case, full stops off the end, then exactly yes or no."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

TABLE = cases(
    [
        ("Yes", "Yes", 1),
        ("yes", "Yes", 1),
        ("YES", "Yes", 1),
        ("yEs.", "Yes", 1),
        ("Yes...", "Yes", 1),
        (" Yes ", "Yes", 1),
        ("\nYes\n", "Yes", 1),
        ("Yes\u00a0", "Yes", 1),  # a no-break space is space
        ("Yes\u200b", "Yes", 0),  # a zero-width one is not
        ("No", "No", 1),
        ("no.", "No", 1),
        ("NO", "No", 1),
        ("No", "Yes", 0),
        ("Yes", "No", 0),
        ("Yes, it is.", "Yes", 0),  # the whole answer counts
        ("Yes it is", "Yes", 0),
        ("No, there is not.", "No", 0),
        ("Yes!", "Yes", 0),
        ("Yes,", "Yes", 0),
        ("Yes;", "Yes", 0),
        ("yes .", "Yes", 0),  # a space remains before the full stop
        ("(Yes)", "Yes", 0),
        ('"Yes"', "Yes", 0),
        ("[Yes]", "Yes", 0),
        ("Y", "Yes", 0),
        ("n", "No", 0),
        ("Yes or no", "Yes", 0),
        ("The answer is yes", "Yes", 0),
        ("Answer: no", "No", 0),
        ("True", "Yes", 0),
        ("1", "Yes", 0),
        ("one", "Yes", 0),
        ("100%", "Yes", 0),
        ("None", "No", 0),
        ("nope", "No", 0),
        ("not sure", "No", 0),
        ("", "Yes", 0),
        ("", "No", 0),
        (".", "No", 0),
        ("Oui", "Yes", 0),
        ("ＹＥＳ", "Yes", 0),
        ("Nо", "No", 0),  # the o is Cyrillic
        ("Yes " * 2000, "Yes", 0),
        ("Yes\nNo", "Yes", 0),
    ],
    kind="existence",
)
