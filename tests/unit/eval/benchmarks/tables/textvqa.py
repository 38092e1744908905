"""TextVQA: EvalAI's normaliser, then the mean over ten annotators of min(1, agreeing others / 3).

Of k annotators who gave the answer, each has k-1 agreeing others and the 10-k have k: 0, 0.3, 0.6, 0.9, 1 for k = 0 to 4.
"""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import Case


def all_say(rows: list[tuple[str, str, float]]) -> list[Case]:
    return [Case(text, (reference,) * 10, credit) for text, reference, credit in rows]


def votes(text: str, counts: dict[str, int], credit: float) -> Case:
    """Answers that several annotators gave; the rest of the ten say other things."""
    given = [answer for answer, count in counts.items() for _ in range(count)]
    return Case(text, (*given, *(f"other{number}" for number in range(10 - len(given)))), credit)


SPLIT = [
    votes("pepsi", {"pepsi": 10}, 1.0),
    votes("pepsi", {"pepsi": 4}, 1.0),  # others: 3 for each of the four, 4 for the six
    votes("pepsi", {"pepsi": 3}, 0.9),  # (3 * 2/3 + 7 * 1) / 10
    votes("pepsi", {"pepsi": 2}, 0.6),  # (2 * 1/3 + 8 * 2/3) / 10
    votes("pepsi", {"pepsi": 1}, 0.3),  # (1 * 0 + 9 * 1/3) / 10
    votes("pepsi", {"coke": 5}, 0.0),
    votes("coke", {"pepsi": 5, "coke": 2}, 0.6),
    votes("pepsi", {"Pepsi": 1, "the pepsi": 1, "pepsi!": 1}, 0.9),  # three after the normaliser
]
NORMALISED = all_say(
    [
        ("PEPSI", "pepsi", 1),
        ("the Pepsi", "pepsi", 1),  # articles go
        ("A pepsi.", "pepsi", 1),
        ("pepsi!", "pepsi", 1),
        ("pepsi?", "pepsi", 1),
        ("pepsi, max", "pepsi max", 1),
        ("pepsi\nmax", "pepsi max", 1),
        ("pepsi\tmax", "pepsi max", 1),
        ("pepsi/coke", "pepsi coke", 1),  # a mark without a space beside it becomes one
        ("@home", "home", 1),
        ("coca-cola", "coca cola", 1),
        ("coca - cola", "coca cola", 1),  # a mark beside a space goes
        ("coca- cola", "cocacola", 0),  # and leaves that space
        ("cocacola", "coca-cola", 0),
        ("two", "2", 1),  # numbers in words up to ten
        ("2", "two", 1),
        ("none", "0", 1),
        ("twelve", "12", 0),
        ("twenty one", "20 1", 0),  # word by word: "twenty 1"
        ("1,000", "1000", 1),
        ("3.5", "3.5", 1),
        ("3.5", "35", 0),  # a full stop before a digit stays
        ("5.", "5", 1),
        (".5", "5", 0),
        ("U.S.A.", "usa", 1),
        ("10%", "10", 0),  # the per cent sign is no mark of the normaliser
        ("$5", "5", 0),
        ("5 dollars", "5", 0),
        ("dont walk", "don't walk", 1),
        ("don't walk", "dont walk", 1),
        ("oclock", "o'clock", 1),
        ("couldnt've", "couldn't've", 1),
        ("couldntve", "couldn't've", 0),  # two apostrophes short
        ("joe's", "joe's", 1),
        ("joes", "joe's", 0),
        ("hes", "he's", 0),  # the reference's 's is parted before contractions are looked at
        ("somebody'd", "somebodyd", 1),  # the one entry of the table that takes the apostrophe away
        ("café", "CAFÉ", 1),
        ("cafe", "café", 0),
        ("", "pepsi", 0),
        ("the", "a", 1),  # articles alone leave nothing on either side
        ("['pepsi']", "pepsi", 0),  # the quotes stay
        ("pepsi " * 1000, "pepsi", 0),
    ]
)
TABLE = [*SPLIT, *NORMALISED]
