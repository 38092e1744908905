"""DocVQA: 1 - edit distance / longer length in lower case with single spaces, 0 below 0.5, the best over the references."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import Case, cases

ONE = cases(
    [
        ("Paris", "Paris", 1),
        ("PARIS", "Paris", 1),
        ("  paris\n", "Paris", 1),
        ("new\nyork", "New York", 1),
        ("new  york", "New York", 1),
        ("newyork", "New York", 7 / 8),
        ("pari", "paris", 4 / 5),
        ("par", "paris", 3 / 5),
        ("pa", "paris", 0),  # 2/5
        ("paris.", "paris", 5 / 6),
        ("ab", "abcd", 1 / 2),  # exactly 0.5 counts
        ("abc", "abcdefg", 0),  # 3/7
        ("abc", "xbc", 2 / 3),
        ("kitten", "sitting", 4 / 7),
        ("saturday", "sunday", 5 / 8),
        ("flaw", "lawn", 1 / 2),
        ("intention", "execution", 0),  # distance 5 of 9
        ("$1,000", "1,000", 5 / 6),
        ("1,000.00", "1,000", 5 / 8),
        ("1000", "1,000", 4 / 5),
        ("12%", "12", 2 / 3),
        ("12 %", "12%", 3 / 4),
        ("twelve", "12", 0),
        ("five", "5", 0),
        ("5 kg", "5kg", 3 / 4),
        ("the cat", "cat", 0),  # 3/7
        ("the report", "report", 6 / 10),
        ("12-05-1990", "12/05/1990", 8 / 10),
        ("a, b", "b, a", 1 / 2),
        ("['paris']", "paris", 5 / 9),
        ("Answer: Paris", "Paris", 0),  # 5/13
        ("café", "cafe", 3 / 4),
        ("cafe\u0301", "café", 3 / 5),  # e becomes é, the accent goes
        ("答案", "答案", 1),
        ("答", "答案", 1 / 2),
        ("", "paris", 0),
        ("a", "b", 0),
        (".", "paris", 0),
        ("paris " * 2000, "paris", 0),
    ]
)
SEVERAL = [
    Case("march 3", ("3 March", "March 3"), 1),
    Case("march 4", ("3 March", "March 3"), 6 / 7),
    Case("3 mars", ("3 March", "March 3"), 5 / 7),  # c for s, h for nothing
    Case("april", ("3 March", "March 3"), 0),
]
TABLE = [*ONE, *SEVERAL]
