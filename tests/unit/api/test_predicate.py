"""The conditions of `spec.data.filter.where`: what they mean, and how wrong ones are answered."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from webssl_api.data import DataSpec
from webssl_api.predicate import (
    Both,
    Compare,
    Either,
    IsNull,
    IsTrue,
    Not,
    OneOf,
    Predicate,
    PredicateError,
    columns_of,
    parse_predicate,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("text_class in (light, heavy)", OneOf("text_class", ("light", "heavy"))),
        ("text_area > 0.2", Compare("text_area", ">", 0.2)),
        ("a = -3", Compare("a", "==", -3)),
        ("a <> 'it''s'", Compare("a", "!=", "it's")),
        ("a IS NOT NULL", Not(IsNull("a"))),
        ("a not in (1, 2)", Not(OneOf("a", (1, 2)))),
        ("a between 1 and 2 and b", Both(Both(Compare("a", ">=", 1), Compare("a", "<=", 2)), IsTrue("b"))),
        ("a or b and not c", Either(IsTrue("a"), Both(IsTrue("b"), Not(IsTrue("c"))))),
        ("(a or b) and c", Both(Either(IsTrue("a"), IsTrue("b")), IsTrue("c"))),
        ("`two words` = true", Compare("two words", "==", True)),
    ],
)
def test_a_condition_reads_as_it_is_written(text: str, meaning: Predicate) -> None:
    assert parse_predicate(text) == meaning


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a >", "at the end of 'a >' there should be a number, a text or true or false"),
        ("a = 1 b = 2", "at character 7, before 'b', of 'a = 1 b = 2' there should be and, or, or the end"),
        ("a in (1", "at the end of 'a in (1' there should be ')'"),
        ("__import__('os')", "there should be and, or, or the end"),
        ("a $ 3", "'$ 3' at character 2 is not understood"),
        ("in = 3", "there should be the name of a column"),
        ("(" * 40 + "a" + ")" * 40, "at most 32 levels"),
        ("a" * 5000, "more than 4096"),
    ],
)
def test_what_is_no_condition_is_answered_with_the_place(text: str, says: str) -> None:
    with pytest.raises(PredicateError, match=re.escape(says)):
        parse_predicate(text)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_a_named_error(text: str) -> None:
    with suppress(PredicateError):
        assert columns_of(parse_predicate(text))


def test_columns_are_named_once_in_order() -> None:
    assert columns_of(parse_predicate("b = 1 and not (a or b in (2)) or c is null")) == ["b", "a", "c"]


def test_a_manifest_with_a_wrong_condition_is_refused_where_it_is_read() -> None:
    data: dict[str, Any] = {"source": "s3://mc2b/0.tar", "filter": {"table": "s3://scores/a.parquet"}}
    assert DataSpec.model_validate(data).to_dict()["filter"]["maxUnmatchedFraction"] == 0.05
    data["filter"]["where"] = "text_area >"
    with pytest.raises(ValidationError, match=r"filter\.where.*\n.*at the end of 'text_area >'"):
        DataSpec.model_validate(data)
