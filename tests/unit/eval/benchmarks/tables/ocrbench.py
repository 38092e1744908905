"""OCRBench: the answer contains the reference, in lower case, line ends as spaces; formulas keep case and lose spaces."""

from __future__ import annotations

from webssl_eval.benchmarks.ocrbench import FORMULAS

from tests.unit.eval.benchmarks.tables.case import Case, cases

WORDS = cases(
    [
        ("CENTRE", "CENTRE", 1),
        ("centre", "CENTRE", 1),
        ("The word is Centre.", "CENTRE", 1),
        ("centres", "CENTRE", 1),
        ("(centre)", "CENTRE", 1),
        ("['centre']", "CENTRE", 1),
        ("center", "CENTRE", 0),
        ("cent re", "CENTRE", 0),
        ("C E N T R E", "CENTRE", 0),
        ("", "CENTRE", 0),
        ("...", "CENTRE", 0),
        ("ＣＥＮＴＲＥ", "CENTRE", 0),
        ("x" * 10000 + "centre", "CENTRE", 1),
        ("centr" * 2000, "CENTRE", 0),
        ("Grand\nHotel", "grand hotel", 1),  # a line end is a space
        ("grand  hotel", "grand hotel", 0),
        ("grand\thotel", "grand hotel", 0),
        ("grandhotel", "grand hotel", 0),
        ("hotel grand", "grand hotel", 0),
        ("grand hotel", " Grand Hotel\n", 1),  # the reference is trimmed too
        ("centre", "the centre", 0),  # articles count
        ("1974", "97", 1),  # within a longer number
        ("9 7", "97", 0),
        ("2", "two", 0),
        ("two", "2", 0),
        ("$9.99", "9.99", 1),
        ("9.99", "$9.99", 0),
        ("50 %", "50%", 0),
        ("50%", "50%", 1),
        ("12.50 EUR", "12.50", 1),
        ("12,50", "12.50", 0),
        ("ÉCOLE", "école", 1),
        ("ecole", "école", 0),
        ("STRASSE", "straße", 0),
        ("a+b (c)", "a+b", 1),  # no pattern, plain text
    ],
    kind="Regular Text Recognition",
)
EQUATIONS = cases(
    [
        ("\\frac{1}{2}", "\\frac { 1 } { 2 }", 1),
        ("$\\frac{1}{2}$", "\\frac { 1 } { 2 }", 1),
        ("\\frac{1}\n{2}", "\\frac { 1 } { 2 }", 1),
        ("\\Frac{1}{2}", "\\frac { 1 } { 2 }", 0),  # case is kept
        ("X + y = 2", "X+y", 1),
        ("x + y", "X+y", 0),
        ("", "X+y", 0),
    ],
    kind=FORMULAS,
)
SEVERAL = [
    Case("the blue line", ("red", "blue"), 1, kind="Doc-oriented VQA"),
    Case("green", ("red", "blue"), 0, kind="Doc-oriented VQA"),
]
TABLE = [*WORDS, *EQUATIONS, *SEVERAL]
