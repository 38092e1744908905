"""Exact match after normalisation, with the prior and the blind answers beside it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_eval.suites.vqa.scoring import (
    MOST_KINDS,
    Answered,
    is_right,
    majority,
    metric_name,
    normalised,
    scores,
)


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("red", "red", True),
        (" Red.", "red", True),
        ("RED!", "red", True),
        ("'red'", "red", True),
        ("**red**", "red", True),
        ("“red", "red", False),
        ("red\n", "red", True),
        ("light  blue", "light blue", True),
        ("light\tblue", "light blue", True),
        ("lightblue", "light blue", False),
        ("yes, it is", "yes", False),
        ("yes,", "yes", True),
        ("no", "yes", False),
        ("not", "no", False),
        ("", "yes", False),
        ("...", "...", False),
        ("ＲＥＤ", "red", True),
        ("STRASSE", "straße", True),
        ("3", "3", True),
        ("three", "3", False),
        ("3.0", "3", False),
        ("50%", "50%", True),
        ("-5", "5", False),
        ("a red", "red", False),
        ("red red", "red", False),
        ("red, blue", "red, blue", True),
        ("blue, red", "red, blue", False),
        ("(a)", "a", True),
        ("A.", "a", True),
        ("café", "cafe\u0301", True),
        ("x" * 10_000, "x", False),
    ],
)
def test_an_answer_is_right_only_if_it_is_the_reference_after_normalisation(answer, reference, right):
    assert is_right(answer, reference) is right


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalised(normalised(text)) == normalised(text)


@given(st.lists(st.sampled_from(["Yes", "yes.", "no", "red"]), min_size=1), st.randoms())
def test_the_majority_does_not_depend_on_the_order(answers, rng: random.Random):
    shuffled = list(answers)
    rng.shuffle(shuffled)
    assert majority(Counter(answers)) == majority(Counter(shuffled))


def test_ties_go_to_the_first_in_the_alphabet():
    assert majority(Counter(["b", "a", "B", "A"])) == "a"


ANSWERED = [
    Answered("1", "yes/no", "yes", "Yes.", "no"),
    Answered("2", "yes/no", "no", "yes", "no"),
    Answered("3", "colour", "red", "red", "yes"),
    Answered("4", "colour", "blue", "blueish", "yes"),
]
TRAIN = [
    ("yes/no", "no"),
    ("yes/no", "no"),
    ("yes/no", "yes"),
    ("colour", "blue"),
    ("colour", "red"),
    ("colour", "blue"),
]


def test_scores_stand_beside_prior_and_blind_also_by_kind_of_answer():
    assert scores(ANSWERED, Counter(TRAIN)) == {
        "accuracy": 50.0,
        "prior": 25.0,
        "blind": 25.0,
        "accuracy_yes_no": 50.0,
        "prior_yes_no": 50.0,
        "blind_yes_no": 50.0,
        "accuracy_colour": 50.0,
        "prior_colour": 50.0,
        "blind_colour": 0.0,
    }


def test_a_kind_that_training_never_showed_has_no_prior():
    assert scores([Answered("1", "count", "2", "2", "")], Counter(TRAIN))["prior_count"] == 0.0


def test_questions_without_a_kind_have_totals_only():
    assert set(scores([Answered("1", "", "a", "a", "")], Counter([("", "a")]))) == {
        "accuracy",
        "prior",
        "blind",
    }


def test_the_number_of_metrics_is_bounded():
    answered = [Answered(str(number), f"kind {number}", "a", "a", "") for number in range(100)]
    assert len(scores(answered, Counter([("", "a")]))) == 3 * (1 + MOST_KINDS)


@pytest.mark.parametrize(
    ("kind", "name"), [("yes/no", "yes_no"), ("Größe", "gr_sse"), ("日本", "other"), ("a-b c", "a_b_c")]
)
def test_kinds_become_names_of_metrics(kind, name):
    assert metric_name(kind) == name


_texts = st.sampled_from(["yes", "no", "red", "", "two words"])


@given(st.lists(st.tuples(_texts, _texts, _texts), min_size=1), st.randoms())
def test_scores_lie_between_0_and_100_and_do_not_depend_on_the_order(rows, rng: random.Random):
    answered = [
        Answered(str(n), "k", ref or "x", answer, blind) for n, (ref, answer, blind) in enumerate(rows)
    ]
    shuffled = list(answered)
    rng.shuffle(shuffled)
    found = scores(answered, Counter([("k", "yes")]))
    assert found == scores(shuffled, Counter([("k", "yes")]))
    assert all(0 <= value <= 100 for value in found.values())


@given(st.lists(st.sampled_from(["yes", "no", "red"]), min_size=1))
def test_copies_of_the_references_score_full(references):
    answered = [Answered(str(number), "", text, text, "") for number, text in enumerate(references)]
    assert scores(answered, Counter([("", "yes")]))["accuracy"] == 100.0
