"""Documents: what is asked about stands on the page."""

from __future__ import annotations

import random

import numpy as np
import pytest
from webssl_cli.examples import fonts
from webssl_cli.examples.documents.build import questions
from webssl_cli.examples.documents.licences import Licence, copyright_of, licences, texts
from webssl_cli.examples.documents.pages import LAYOUTS, page

TEXT = "Copyright (c) 1999, 2003 Example Works, Inc. All rights reserved.\n\n1. Definitions.\n\nThis licence says little."
LICENCE = Licence("EX-1.2", "Example Licence v1.2", "https://example.org/licence", approved=True, text=TEXT)


def pages(cache, licence=LICENCE):
    faces = fonts.fetch(cache)
    return [page(licence, faces, random.Random(seed)) for seed in range(24)]


def test_answers_are_fields_of_the_head_or_words_of_the_text(cache):
    expected = {
        "What is the name of the licence?": "Example Licence v1.2",
        "What is the identifier of the licence?": "EX-1.2",
        "Is the licence approved by the OSI?": "yes",
        "Which web address is given as the source?": "https://example.org/licence",
        "Which version of the licence is it?": "1.2",
        "What is the first word of the text?": "Copyright",
        "Who holds the copyright?": "Example Works, Inc",
        "Of which year is the copyright?": "2003",
        "What is section 1 about, by its heading?": "Definitions",
    }
    seen = set()
    for made in pages(cache):
        found = {asked.question: asked.answers[0] for asked in questions(LICENCE, made)}
        assert found.pop("What is the page number?") == str(made.number)
        assert found.items() <= expected.items()
        seen |= found.keys()
    assert seen == expected.keys()


def test_what_no_layout_shows_is_not_asked_about(cache):
    for made in pages(cache):
        asked = {asked.question for asked in questions(LICENCE, made)}
        assert ("What is the identifier of the licence?" in asked) == ("identifier" in made.shown)
        assert ("Which web address is given as the source?" in asked) == ("address" in made.shown)


def test_an_address_that_does_not_fit_on_its_line_is_neither_shown_nor_asked_about(cache):
    long = Licence("EX-1.2", "Example", "https://example.org/" + "x" * 200, approved=False, text=TEXT)
    assert not any("address" in made.shown for made in pages(cache, long))


def test_text_that_does_not_fit_on_the_page_is_not_counted_as_shown(cache):
    long = Licence(
        "EX-2", "Example", "", approved=False, text="\n\n".join(f"word{n} " * 40 for n in range(60))
    )
    for made in pages(cache, long):
        assert "word0" in made.text
        assert "word59" not in made.text


def test_all_layouts_come_and_pages_have_ink(cache):
    found = pages(cache)
    assert {made.layout for made in found} == set(LAYOUTS)
    for made in found:
        grey = np.asarray(made.picture.convert("L"))
        assert grey.shape == (800, 620)
        assert 0.002 < (grey < 128).mean() < 0.3


def test_licences_with_one_text_come_once(cache):
    found = list(licences(texts(cache)))
    assert len({licence.text for licence in found}) == len(found) == 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Copyright (c) 2003 Free Works\nmore", ("2003", "Free Works")),
        ("copyright (C) 1999, 2001-2004 by Free Works. All", ("2004", "Free Works")),
        ("Copyright (c) 2003 Justin T. Writer", None),
        ("Copyright (c) <year> <owner>", None),
        ("no such line", None),
    ],
)
def test_copyright_lines(text, found):
    assert copyright_of(text) == found
