"""What holds for every score, whatever the answers."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.checking import questions
from webssl_eval.benchmarks.question import Reference
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.contract import PAPER
from tests.unit.eval.benchmarks.tables import TABLES

every_benchmark = pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)
FULL = {"mme-p": 2000.0}


@cache
def references(published: str, benchmark: Benchmark) -> tuple[Reference, ...]:
    return tuple(question.reference for question in questions(open_storage(), published, benchmark))


def texts(benchmark: Benchmark, found: tuple[Reference, ...]) -> st.SearchStrategy[str]:
    """Anything, tricky answers, and right ones of some question."""
    tricky = st.sampled_from([case.text for case in TABLES[benchmark.name] if len(case.text) < 100])
    right = st.sampled_from([answer for reference in found for answer in reference.answers])
    return st.one_of(st.text(max_size=20), tricky, right)


@every_benchmark
def test_exact_copies_of_the_references_score_full(benchmark: Benchmark, published: str) -> None:
    found = references(published, benchmark)
    scored = benchmark.score(found, {reference.id: reference.answers[0] for reference in found})
    assert scored.value == FULL.get(benchmark.name, 100.0)
    assert set(scored.credits.values()) == {1.0}
    assert not scored.absent


@every_benchmark
def test_empty_answers_score_nothing(benchmark: Benchmark, published: str) -> None:
    found = references(published, benchmark)
    scored = benchmark.score(found, {reference.id: "" for reference in found})
    assert scored.value == 0
    assert set(scored.credits.values()) == {0.0}


@every_benchmark
@settings(max_examples=30)
@given(data=st.data())
def test_scores_are_in_range_and_the_order_of_questions_does_not_matter(
    benchmark: Benchmark, published: str, data: st.DataObject
) -> None:
    found = references(published, benchmark)
    text = texts(benchmark, found)
    answers = {reference.id: data.draw(text) for reference in found}
    scored = benchmark.score(found, answers)
    assert 0 <= scored.value <= FULL.get(benchmark.name, 100.0)
    assert set(scored.credits) == {reference.id for reference in found}
    assert all(0 <= credit <= 1 for credit in scored.credits.values())
    assert benchmark.score(data.draw(st.permutations(found)), answers) == scored


@every_benchmark
@settings(max_examples=30)
@given(data=st.data())
def test_a_question_more_that_is_right_never_lowers_the_score(
    benchmark: Benchmark, published: str, data: st.DataObject
) -> None:
    found = references(published, benchmark)
    text = texts(benchmark, found)
    answers = {reference.id: data.draw(text) for reference in found}
    before = benchmark.score(found, answers).value
    mended = data.draw(st.sampled_from(found))
    assert benchmark.score(found, {**answers, mended.id: mended.answers[0]}).value >= before
