"""GQA: lower case, full stops off the end, then exactly the reference."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

TABLE = cases(
    [
        ("yes", "yes", 1),
        ("Yes", "yes", 1),
        ("YES.", "yes", 1),
        ("yes..", "yes", 1),
        (" yes ", "yes", 1),
        ("yes!", "yes", 0),
        ("yes,", "yes", 0),
        ("yes .", "yes", 0),
        ("yes, it is", "yes", 0),
        ("no", "yes", 0),
        ("", "yes", 0),
        (".", "yes", 0),
        ("Answer: yes", "yes", 0),  # no cues here
        ("the car", "car", 0),  # articles stay
        ("a car", "car", 0),
        ("cars", "car", 0),  # no stems
        ("car", "cars", 0),
        ("automobile", "car", 0),
        ("two", "2", 0),  # no numbers in words
        ("2", "two", 0),
        ("2.", "2", 1),
        ("2.0", "2", 0),
        ("10%", "10%", 1),
        ("10 %", "10%", 0),
        ("10 meters", "10", 0),
        ("t-shirt", "t-shirt", 1),
        ("t shirt", "t-shirt", 0),
        ("gray", "grey", 0),
        ("Parking Lot", "parking lot", 1),
        ("parking  lot", "parking lot", 0),
        ("parking\nlot", "parking lot", 0),
        ("to the left", "left", 0),
        ("café", "café", 1),
        ("CAFÉ", "café", 1),
        ("cafe\u0301", "café", 0),  # the accent as a character of its own
        ("cafe", "café", 0),
        ("['yes']", "yes", 0),
        ("yes. no", "yes", 0),
        ('"yes"', "yes", 0),
        ("yes " * 1000, "yes", 0),
    ]
)
