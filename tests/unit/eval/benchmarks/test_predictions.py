"""Predictions as JSON lines, and what is refused or labelled when they are scored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.benchmarks.predictions import (
    Prediction,
    ReferenceLine,
    collected,
    kept_references,
    parsed,
    reference_lines,
    written,
)
from webssl_eval.benchmarks.question import Reference
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.benchmarks.scoring import means, score
from webssl_trainer.errors import UserError

KNOWN = {benchmark.name: benchmark for benchmark in BENCHMARKS}
GQA = KNOWN["gqa"]
REFERENCES = [Reference(id=str(number), answers=("yes",)) for number in range(4)]
RIGHT = {reference.id: "yes" for reference in REFERENCES}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def lines(text: str) -> list[tuple[str, Prediction]]:
    return list(parsed(text.encode(), "p.jsonl", Prediction))


def line(**fields: object) -> Prediction:
    return Prediction.model_validate({"benchmark": "gqa", "version": 1, "id": "1", "text": "yes", **fields})


@given(st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_predictions_of_any_text_come_back_as_they_were_written(answers: dict[str, str]) -> None:
    data = written(line(id=identity, text=text) for identity, text in answers.items())
    expected = {"gqa": answers} if answers else {}
    assert collected(parsed(data, "p.jsonl", Prediction), KNOWN) == expected


@given(
    st.lists(
        st.builds(
            Reference,
            id=texts.filter(bool),
            answers=st.lists(texts, min_size=1, max_size=3).map(tuple),
            choices=st.lists(texts, max_size=3).map(tuple),
            group=texts,
            kind=texts,
        ),
        unique_by=lambda reference: reference.id,
        min_size=1,
        max_size=4,
    )
)
def test_references_of_any_text_come_back_as_they_were_written(references: list[Reference]) -> None:
    data = written(reference_lines(GQA, references))
    found = kept_references(parsed(data, "r.jsonl", ReferenceLine), KNOWN)
    assert found == {"gqa": tuple(references)}


def test_lines_of_several_benchmarks_and_files_may_stand_in_any_order() -> None:
    made = [line(id="2"), line(benchmark="mmvp", id="2"), line(id="1", text="no")]
    found = collected([("a:1", made[0]), ("b:1", made[1]), ("b:2", made[2])], KNOWN)
    assert found == {"gqa": {"2": "yes", "1": "no"}, "mmvp": {"2": "yes"}}


def test_other_fields_and_blank_lines_are_left_alone() -> None:
    text = '\n{"benchmark": "gqa", "version": 1, "id": "7", "text": "yes", "seconds": 0.1}\n\n'
    ((place, found),) = lines(text)
    assert (place, found.id) == ("p.jsonl:2", "7")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"p\.jsonl:1: Invalid JSON"),
        ("[]", r"p\.jsonl:1: .*write a JSON object with benchmark, version, id, text"),
        ('{"benchmark": "gqa", "version": 1, "id": "1"}', r"p\.jsonl:1: text: Field required"),
        ('{"benchmark": "gqa", "version": 1, "id": "", "text": ""}', r"p\.jsonl:1: id: "),
        ('{"benchmark": "gqa", "version": "x", "id": "1", "text": ""}', r"p\.jsonl:1: version: "),
    ],
)
def test_a_malformed_line_is_refused_with_file_line_and_field(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        lines(text)


def test_an_unknown_benchmark_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"p:1: benchmark: 'vqav2' is unknown; use one of mme-p, "):
        collected([("p:1", line(benchmark="vqav2"))], KNOWN)


def test_predictions_for_another_version_are_refused() -> None:
    with pytest.raises(UserError, match=r"p:1: version: 2 of gqa, but this program scores version 1; answer"):
        collected([("p:1", line(version=2))], KNOWN)


def test_an_id_that_comes_twice_is_refused_even_with_the_same_text() -> None:
    with pytest.raises(UserError, match=r"b:9: id: '1' of gqa is that of a:1 already; keep one"):
        collected([("a:1", line()), ("b:9", line())], KNOWN)


def test_missing_predictions_are_refused_with_their_number_and_the_first() -> None:
    with pytest.raises(
        UserError, match="2 of 4 questions have no prediction, first '2'; add the missing file"
    ):
        score(GQA, REFERENCES, {"0": "yes", "1": "yes"})


def test_missing_predictions_count_as_wrong_where_that_is_allowed_and_it_is_said() -> None:
    found = score(GQA, REFERENCES, {"0": "yes", "1": "yes"}, allow_missing=True)
    assert (found.scored.value, found.unanswered) == (50, 2)
    assert found.label == "over 4 questions, published are 12578; 2 unanswered count as wrong"


def test_a_prediction_for_no_question_is_refused() -> None:
    with pytest.raises(UserError, match="id: '9' is no question's"):
        score(GQA, REFERENCES, {**RIGHT, "9": "yes"})


def test_no_references_are_refused() -> None:
    with pytest.raises(UserError, match="gqa: there are no references"):
        score(GQA, [], {})


def test_a_score_over_the_published_number_of_questions_has_no_label() -> None:
    references = [Reference(id=str(number), answers=("yes",)) for number in range(GQA.questions)]
    found = score(GQA, references, dict.fromkeys((reference.id for reference in references), "no"))
    assert (found.label, found.scored.value) == ("", 0)
    assert means([found], BENCHMARKS).categories[Category.GENERAL].label == (
        "partial: 1 of 4 benchmarks, without MME-P, MMBench, SEED-I"
    )


def test_a_mean_with_a_score_of_fewer_questions_is_labelled() -> None:
    found = means([score(GQA, REFERENCES, RIGHT)], [GQA])
    assert found.total.value == 100
    assert found.total.label == "partial: a part of the questions of GQA"


def test_a_score_without_one_of_its_sources_says_so() -> None:
    reference = Reference(id="1", answers=("A",), choices=("1", "2"), kind="COCO")
    found = score(KNOWN["cvbench-2d"], [reference], {"1": "A"})
    assert found.label == "over 1 questions, published are 1438; without ADE20K"
