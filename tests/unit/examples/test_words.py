"""Words: texts are drawn once, and can be seen."""

from __future__ import annotations

import random

import numpy as np
import pytest
from webssl_cli.examples import fonts
from webssl_cli.examples.words.build import CATEGORIES, chosen, shown, vocabulary
from webssl_cli.examples.words.crops import HEIGHT, WIDTH, artistic, irregular, plain

from tests.unit.examples.packages import WORDS


def test_the_vocabulary_is_of_lower_case_words_that_several_texts_have():
    texts = ["the Word don't go-on misspelt", "the word on", "the word on a", "on averyverylongword"]
    assert vocabulary(texts) == ["the"]
    assert vocabulary([*texts, "some word"]) == ["the", "word"]


def test_no_text_comes_twice_and_every_category_has_as_many():
    found = list(chosen(WORDS, seed=0, each=6))
    assert len({text for _, text in found}) == len(found) == 6 * len(CATEGORIES)
    assert all(len([kind for kind, _ in found if kind == name]) == 6 for name in CATEGORIES)
    assert all(text.isdigit() == (kind == "Digit String Recognition") for kind, text in found)


def test_random_letters_are_no_words():
    found = chosen(WORDS, seed=3, each=6)
    assert not {text for kind, text in found if kind.startswith("Non-Semantic")} & set(WORDS)


@pytest.mark.parametrize("draw", [plain, irregular, artistic])
def test_ink_stands_out_and_the_word_is_not_cut(cache, draw):
    faces = fonts.fetch(cache)
    for seed in range(12):
        picture = draw("mmmmmmmm", faces, random.Random(seed))
        assert picture.size == (WIDTH, HEIGHT)
        grey = np.asarray(picture.convert("L"), dtype=np.float32)
        assert np.ptp(np.percentile(grey, (1, 99))) > 35


def test_the_question_is_the_benchmarks(cache):
    faces = fonts.fetch(cache)
    number = shown("Digit String Recognition", "4711", faces, 0)
    assert [(asked.question, asked.answers) for asked in number.asked] == [
        ("what is the number in the image?", ("4711",))
    ]
    assert (
        shown("Regular Text Recognition", "alpha", faces, 0).asked[0].question
        == "what is written in the image?"
    )
