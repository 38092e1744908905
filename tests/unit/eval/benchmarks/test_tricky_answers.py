"""Answers by answer: what each earns by the published rule of its benchmark."""

from __future__ import annotations

import pytest
from webssl_eval.benchmarks.registry import BENCHMARKS

from tests.unit.eval.benchmarks.contract import PAPER
from tests.unit.eval.benchmarks.tables import TABLES
from tests.unit.eval.benchmarks.tables.case import Case

BY_NAME = {benchmark.name: benchmark for benchmark in BENCHMARKS}
ALL = [
    pytest.param(name, case, id=f"{name}-{number}-{case.text[:20]!r}")
    for name, table in TABLES.items()
    for number, case in enumerate(table)
]


@pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)
def test_every_benchmark_has_thirty_distinct_tricky_answers(benchmark) -> None:
    table = TABLES[benchmark.name]
    assert len({(case.text, case.references) for case in table}) == len(table) >= 30


@pytest.mark.parametrize(("name", "case"), ALL)
def test_an_answer_earns_what_the_published_rule_gives(name: str, case: Case) -> None:
    scored = BY_NAME[name].score([case.reference], {"q": case.text})
    assert scored.credits["q"] == pytest.approx(case.credit, abs=1e-12)
