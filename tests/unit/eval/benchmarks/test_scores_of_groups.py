"""Scores that are more than a mean of single answers: pairs, circular passes, sources, points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from webssl_eval.benchmarks.benchmark import Scored
from webssl_eval.benchmarks.mme import PERCEPTION
from webssl_eval.benchmarks.question import Reference
from webssl_eval.benchmarks.registry import BENCHMARKS

BY_NAME = {benchmark.name: benchmark for benchmark in BENCHMARKS}


def scored(name: str, rows: Sequence[tuple[Reference, str]]) -> Scored:
    references = [reference for reference, _ in rows]
    answers: Mapping[str, str] = {reference.id: text for reference, text in rows}
    return BY_NAME[name].score(references, answers)


def mme(kind: str, image: int, answer: str, text: str) -> tuple[Reference, str]:
    identity = f"{kind}/{image}/{answer}"
    return Reference(id=identity, answers=(answer,), group=f"{kind}/{image}", kind=kind), text


def test_mme_adds_the_share_of_right_answers_and_that_of_right_pairs_in_each_subtask() -> None:
    rows = [
        mme("count", 1, "Yes", "Yes"),
        mme("count", 1, "No", "No"),
        mme("count", 2, "Yes", "Yes"),
        mme("count", 2, "No", "Yes"),
        mme("OCR", 1, "Yes", "No"),
        mme("OCR", 1, "No", "no."),
    ]
    found = scored("mme-p", rows)
    # count: 3 of 4 answers and 1 of 2 pairs; OCR: 1 of 2 answers and no pair
    assert found.parts == {"count": pytest.approx(75 + 50), "OCR": pytest.approx(50)}
    assert found.value == pytest.approx(175)


def test_mme_says_which_subtasks_have_no_question() -> None:
    found = scored("mme-p", [mme("count", 1, "Yes", "Yes"), mme("count", 1, "No", "No")])
    assert found.absent == tuple(kind for kind in PERCEPTION if kind != "count")


def test_mme_of_always_yes_is_half_the_answers_and_no_pair() -> None:
    rows = [
        mme(kind, image, answer, "Yes")
        for kind in PERCEPTION
        for image in range(3)
        for answer in ("Yes", "No")
    ]
    assert scored("mme-p", rows).value == pytest.approx(500)


def mmbench(question: str, turn: int, text: str) -> tuple[Reference, str]:
    choices = ("x", "y", "z")
    return Reference(id=f"{question}{turn}", answers=("B",), choices=choices, group=question, kind="k"), text


def test_a_circular_question_is_right_when_every_pass_is() -> None:
    rows = [
        *(mmbench("whole", turn, "B") for turn in range(3)),
        mmbench("part", 0, "B"),
        mmbench("part", 1, "B."),
        mmbench("part", 2, "A"),
    ]
    found = scored("mmbench", rows)
    assert found.value == pytest.approx(50)
    assert found.parts == {"passes": pytest.approx(100 * 5 / 6), "k": pytest.approx(50)}
    # a pass earns what its question does
    assert found.credits["part0"] == 0


def test_always_the_same_letter_is_never_right_in_circular_evaluation() -> None:
    letters = ("B", "A", "C")
    rows = [
        (Reference(id=str(turn), answers=(letter,), choices=("x", "y", "z"), group="q"), "A")
        for turn, letter in enumerate(letters)
    ]
    assert scored("mmbench", rows).value == 0


def test_mmvp_counts_pairs_both_of_whose_answers_are_right() -> None:
    def half(pair: int, letter: str, text: str) -> tuple[Reference, str]:
        choices = ("Open", "Closed")
        return Reference(id=f"{pair}{letter}", answers=(letter,), choices=choices, group=str(pair)), text

    rows = [
        half(1, "A", "A"),
        half(1, "B", "closed"),
        half(2, "A", "A"),
        half(2, "B", "A"),
        half(3, "A", "B"),
        half(3, "B", "A"),
    ]
    found = scored("mmvp", rows)
    assert found.value == pytest.approx(100 / 3)
    assert found.parts == {"questions": pytest.approx(50)}


def cvbench(number: int, source: str, text: str) -> tuple[Reference, str]:
    return Reference(id=str(number), answers=("A",), choices=("1", "2"), kind=source), text


def test_cv_bench_2d_is_the_mean_over_its_two_sources_however_many_questions_each_has() -> None:
    rows = [
        cvbench(0, "ADE20K", "A"),
        cvbench(1, "ADE20K", "B"),
        cvbench(2, "ADE20K", "B"),
        cvbench(3, "ADE20K", "B"),
        cvbench(4, "COCO", "(A)"),
    ]
    found = scored("cvbench-2d", rows)
    assert found.parts == {"ADE20K": pytest.approx(25), "COCO": pytest.approx(100)}
    assert found.value == pytest.approx(62.5)
    assert found.absent == ()


def test_cv_bench_2d_of_one_source_says_that_the_other_is_absent() -> None:
    assert scored("cvbench-2d", [cvbench(0, "COCO", "A")]).absent == ("ADE20K",)


def test_ocrbench_counts_points_of_1000_beside_the_per_cent_of_the_papers_table() -> None:
    rows = [
        (
            Reference(id=str(number), answers=("word",), kind="Handwriting Recognition"),
            "word" if number < 94 else "",
        )
        for number in range(1000)
    ]
    found = scored("ocrbench", rows)
    assert found.parts["points"] == 94
    assert found.value == pytest.approx(9.4)


def test_chartqa_tells_human_from_augmented_questions() -> None:
    rows = [
        (Reference(id="h", answers=("4",), kind="human"), "4"),
        (Reference(id="a", answers=("4",), kind="augmented"), "5"),
    ]
    found = scored("chartqa", rows)
    assert (found.value, found.parts) == (50, {"human": 100, "augmented": 0})
