"""Charts: answers follow from the table and from how it is drawn."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_cli.examples import fonts
from webssl_cli.examples.charts.build import _tables
from webssl_cli.examples.charts.drawing import draw, number_text, style_of, ticks
from webssl_cli.examples.charts.questions import AUGMENTED, HUMAN, questions
from webssl_cli.examples.charts.table import Table
from webssl_cli.examples.charts.tables import tables

RAIN = Table(
    "rain",
    "Rain in 2001",
    "rain",
    "mm",
    "month",
    ("Jan", "Feb", "Mar"),
    (("rain", (3.0, 9.5, 1.0)),),
    ("bar",),
)
POWER = Table(
    "power",
    "Power",
    "power",
    "GWh",
    "year",
    ("2001", "2002"),
    (("sun", (1.0, 4.0)), ("wind", (3.0, 2.0))),
    ("line",),
)
CARS = Table(
    "cars", "Cars", "cars", "speed", "power", (), (), ("scatter",), ((1.0, 5.0, "new"), (2.0, 4.0, "old"))
)


def style(table, faces, **changes):
    changes = {"rainbow": False, "lying": False, "values": True, **changes}
    found = style_of(table, faces, random.Random(0))
    return replace(found, colours=(("red", "#ff0000"), ("blue", "#0000ff"), ("green", "#00ff00")), **changes)


@pytest.fixture(scope="module")
def faces(cache):
    return fonts.fetch(cache)


def answers(table, drawn):
    return {
        (asked.kind, asked.question): asked.answers[0]
        for asked in questions(table, drawn, random.Random(0), each=99)
    }


def test_questions_about_bars_of_one_colour(faces):
    found = answers(RAIN, style(RAIN, faces))
    assert found[HUMAN, "How many bars are there?"] == "3"
    assert found[HUMAN, "What colour are the bars?"] == "red"
    assert found[HUMAN, "What is the difference between the highest and the lowest rain?"] == "8.5"
    assert found[HUMAN, "How many months have a rain above 3?"] == "1"
    assert found[AUGMENTED, "Which month had the highest rain?"] == "Feb"
    assert found[AUGMENTED, "Which month had the lowest rain?"] == "Mar"
    assert found[AUGMENTED, "What is the title of the chart?"] == "Rain in 2001"
    for label, value in zip(RAIN.labels, ("3", "9.5", "1"), strict=True):
        assert found.get((AUGMENTED, f"What was the rain in {label}?"), value) == value


def test_questions_about_bars_of_their_own_colours_name_them_in_the_order_of_the_labels(faces):
    found = answers(RAIN, style(RAIN, faces, rainbow=True))
    assert found[HUMAN, "What colour is the largest bar?"] == "blue"
    assert found[HUMAN, "What colour is the smallest bar?"] == "green"
    assert found[HUMAN, "What does the blue bar stand for?"] == "Feb"


def test_questions_about_several_series(faces):
    found = answers(POWER, style(POWER, faces))
    named = {
        asked.question.removeprefix("Which colour stands for ").rstrip("?"): asked.answers[0]
        for seed in range(20)
        for asked in questions(POWER, style(POWER, faces), random.Random(seed), each=99)
        if asked.question.startswith("Which colour")
    }
    assert named == {"sun": "red", "wind": "blue"}
    assert found[HUMAN, "How many different colours are used for the lines?"] == "2"
    assert found[HUMAN, "What is the difference between the highest and the lowest power (sun)?"] == "3"


def test_questions_about_points(faces):
    found = answers(CARS, style(CARS, faces))
    assert found[HUMAN, "How many groups of points are there?"] == "2"
    assert found[HUMAN, "What colour are the points of old?"] == "blue"
    assert found[HUMAN, "Which group has the point with the largest power?"] == "old"
    assert found[HUMAN, "Which group has the point with the largest speed?"] == "new"
    assert found[AUGMENTED, "What does the vertical axis show?"] == "speed"


def test_greater_is_answered_by_the_values(faces):
    values = dict(zip(RAIN.labels, RAIN.series[0][1], strict=True))
    seen = set()
    for seed in range(30):
        for asked in questions(RAIN, style(RAIN, faces), random.Random(seed), each=99):
            pair = re.search(r"Was the rain in (\w+) greater than in (\w+)", asked.question)
            if pair is not None:
                seen.add(asked.answers[0])
                assert asked.answers[0] == ("Yes" if values[pair[1]] > values[pair[2]] else "No")
    assert seen == {"Yes", "No"}


def test_the_colours_that_are_named_are_on_the_picture(faces):
    picture = np.asarray(draw(RAIN, style(RAIN, faces, rainbow=True, kind="bar", paper="#ffffff")))
    for colour in ((255, 0, 0), (0, 0, 255), (0, 255, 0)):
        assert (picture == colour).all(-1).sum() > 100


def test_tables_are_drawn_in_every_kind_that_suits_them(cache, faces):
    found = list(tables(_tables(cache)))
    assert len({table.key for table in found}) == len(found)
    for table in found[::2]:
        for kind in table.kinds:
            for lying in {False, kind == "bar" and len(table.series) == 1}:
                picture = np.asarray(
                    draw(
                        table,
                        replace(style_of(table, faces, random.Random(table.key)), kind=kind, lying=lying),
                    )
                )
                assert picture.shape == (360, 480, 3)
                assert picture.std() > 5
        for asked in questions(
            table, style_of(table, faces, random.Random(table.key)), random.Random(0), each=99
        ):
            assert all(asked.answers)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_range_in_few_equal_steps(low, span):
    found = ticks(low, low + span)
    assert found[0] <= low + 1e-6 * abs(low) + 1e-9
    assert found[-1] >= low + span - 1e-6 * abs(low + span) - 1e-9
    assert 2 <= len(found) <= 12


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.0, "0"), (9.5, "9.5"), (42734.0, "42734"), (0.25, "0.25")]
)
def test_numbers_are_written_without_needless_digits(value, text):
    assert number_text(value) == text
