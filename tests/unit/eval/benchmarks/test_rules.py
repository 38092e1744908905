"""The shared rules against slow and obvious ones."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.benchmarks.rules.edit_distance import edit_distance, likeness
from webssl_eval.benchmarks.rules.evalai import normalised
from webssl_eval.benchmarks.rules.letters import checked_letter, chosen, letter_of
from webssl_eval.benchmarks.rules.numbers import near, number, number_or_percentage

short = st.text("abé ", max_size=8)


def slow_distance(first: str, second: str) -> int:
    @cache
    def of(left: int, right: int) -> int:
        if left == 0 or right == 0:
            return left + right
        if first[left - 1] == second[right - 1]:
            return of(left - 1, right - 1)
        return 1 + min(of(left - 1, right), of(left, right - 1), of(left - 1, right - 1))

    return of(len(first), len(second))


@given(short, short)
def test_the_edit_distance_is_that_of_the_recursive_definition(first: str, second: str) -> None:
    assert edit_distance(first, second) == slow_distance(first, second)
    assert edit_distance(first, second) == edit_distance(second, first)


@given(short, short)
def test_likeness_is_one_minus_distance_over_length_or_nothing_below_a_half(first: str, second: str) -> None:
    ours, theirs = (" ".join(text.lower().split()) for text in (first, second))
    longest = max(len(ours), len(theirs))
    value = 1 - slow_distance(ours, theirs) / longest if longest else 1.0
    assert likeness(first, second) == (value if value >= 0.5 else 0.0)


def test_a_very_long_answer_is_compared_at_once() -> None:
    # by distance this would take 10^9 steps
    assert likeness("x" * 10**6, "paris " * 1000) == 0.0


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_a_normalised_answer_has_no_capitals_articles_or_double_spaces(text: str) -> None:
    words = normalised(text).split(" ")
    assert not {"a", "an", "the"} & set(words)
    assert words == [""] or "" not in words


@given(
    st.sampled_from("ABCDEFGHIJ"), st.sampled_from(["{}", " {} ", "({})", "{}.", "{}) it is", "answer: {}"])
)
def test_a_letter_in_a_common_form_is_found(letter: str, form: str) -> None:
    assert chosen(form.format(letter)) == letter.lower()
    assert chosen(form.format(letter.lower())) == letter.lower()


@given(st.floats(-1e12, 1e12))
def test_numbers_as_python_writes_them_are_numbers(value: float) -> None:
    assert number(repr(value)) == value
    assert number_or_percentage(f"{value!r}%") == value / 100


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1,000", "1_000", "0x10", "nan", "inf", "1e", "one", "5 m", "٣", "1 2"]
)
def test_other_texts_are_no_numbers(text: str) -> None:
    assert number(text) is None
    assert number_or_percentage(f"{text}%") is None


@given(st.floats(-1e9, 1e9), st.floats(-1, 1))
def test_nearness_is_five_per_cent_of_the_reference(reference: float, share: float) -> None:
    if abs(abs(share) - 0.05) > 1e-6 and abs(reference) > 1e-6:
        assert near(reference * (1 + share), reference) == (abs(share) < 0.05)


def test_a_number_too_large_for_a_float_is_near_itself_only() -> None:
    assert near(float("inf"), float("inf"))
    assert not near(float("inf"), 1e300)
    assert not near(1e300, float("inf"))


def test_letters_of_references_are_checked() -> None:
    assert (checked_letter("(b)", 2), letter_of(25)) == ("B", "Z")
    for text, choices in (("C", 2), ("", 4), ("AB", 4), ("1", 4), ("ａ", 4)):
        with pytest.raises(ValueError, match="is no letter of"):
            checked_letter(text, choices)
    for index in (-1, 26):
        with pytest.raises(ValueError, match="has no letter"):
            letter_of(index)
