"""ChartQA: numbers within 5 per cent, a per cent sign meaning a hundredth; anything else exactly, whatever its case."""

from __future__ import annotations

from tests.unit.eval.benchmarks.tables.case import cases

TABLE = cases(
    [
        ("45", "45", 1),
        ("45.0", "45", 1),
        ("45.", "45", 1),
        ("+45", "45", 1),
        ("4.5e1", "45", 1),
        (".45", "0.45", 1),
        ("47.25", "45", 1),  # 5 per cent of 45 is 2.25
        ("47.26", "45", 0),
        ("42.75", "45", 1),
        ("42.74", "45", 0),
        ("-45", "45", 0),
        ("-46", "-45", 1),
        ("45%", "45%", 1),
        ("45 %", "45%", 1),
        ("46%", "45%", 1),
        ("48%", "45%", 0),
        ("0.45", "45%", 1),  # 45 hundredths
        ("45", "45%", 0),
        ("45%", "45", 0),
        ("0", "0", 1),
        ("0.0", "0", 1),
        ("0.001", "0", 0),
        ("2010", "2011", 1),  # years are numbers
        ("1900", "2000", 1),
        ("1899", "2000", 0),
        ("1,000", "1000", 0),  # grouped digits are text
        ("1,000", "1,000", 1),
        ("$45", "45", 0),
        ("$45", "$45", 1),
        ("45 million", "45", 0),
        ("45 years", "45 years", 1),
        ("forty-five", "45", 0),
        ("two", "2", 0),
        ("Yes", "yes", 1),
        ("Yes.", "yes", 0),
        ("No", "Yes", 0),
        ("", "45", 0),
        ("", "Yes", 0),
        ("[Brazil, Chile]", "[Brazil, Chile]", 1),
        ("[Chile, Brazil]", "[Brazil, Chile]", 0),
        ("Brazil, Chile", "[Brazil, Chile]", 0),
        ("the United States", "United States", 0),
        ("CÔTE D'IVOIRE", "Côte d'Ivoire", 1),
        ("Cote d'Ivoire", "Côte d'Ivoire", 0),
        ("٤٥", "45", 0),
        ("½", "0.5", 0),
        ("−45", "-45", 0),
        ("45" + "0" * 4000, "45", 0),
        ("4_5", "45", 0),
        ("nan", "45", 0),
    ]
)
