"""What the language model is given for each benchmark: the picture, then text as Cambrian-1 asks."""

from __future__ import annotations

import pytest
from webssl_eval.benchmarks.checking import questions
from webssl_eval.benchmarks.registry import named
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.contract import PAPER

LETTER = "Answer with the option's letter from the given choices directly."
PHRASE = "Answer the question using a single word or phrase."
PROMPTS = {
    "mme-p": ["Is this picture 1 No? Please answer yes or no.", PHRASE],
    "mmbench": ["It has legs.", "What animal is number 1? Options:", "A. ant", "B. bee", "C. cow", LETTER],
    "seed-i": [
        "How many towels are in picture 3? Options:",
        "A. choice a of 3",
        "B. choice b of 3",
        "C. choice c of 3",
        "D. choice d of 3",
        LETTER,
    ],
    "gqa": ["Is the sky of 3 dark?", PHRASE],
    "scienceqa-i": [
        "Think of night. Which is colder, 3?",
        "A. the Sun",
        "B. the Moon",
        "C. 50%",
        "Please answer directly with only the letter of the correct option and nothing else.",
    ],
    "mmmu-v": ["What is shown in 3? Options:", "A. a lion", "B. it's a", "C. a wall", LETTER],
    "mathvista": [
        "Hint: Please answer.\nQuestion: How long is line 3?",
        "First show your reasoning process and then give the final answer.",
    ],
    "ai2d": ["What eats 3?", "A. hawk", "B. snake", "C. mouse", "D. grass", LETTER],
    "chartqa": ["What is the highest bar of 3?", "Answer the question using a single number or phrase."],
    "ocrbench": ["what is written in image 3?", "Give the short answer directly."],
    "textvqa": ["what brand is camera 3?", "Reference OCR tokens: DAKOTA, digital", PHRASE],
    "docvqa": ["What is the date on page 3?", "Give the short answer directly."],
    "mmvp": ["Is door 2, on the left, open? Options:", "A. Open", "B. Closed", LETTER],
    "realworldqa": ["Which way does 3 go?\nA. Left\nB. Right\nPlease answer directly."],
    "cvbench-2d": [
        "How many pears are in 3? Select from the following choices.\n(A) 1\n(B) 2\n(C) 3",
        LETTER,
    ],
    "cvbench-3d": [
        "How many pears are in 3? Select from the following choices.\n(A) 1\n(B) 2\n(C) 3",
        LETTER,
    ],
}


@pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)
def test_the_fourth_question_is_asked_as_cambrian_does(benchmark, published: str) -> None:
    asked = questions(open_storage(), published, benchmark)
    picture, *text = benchmark.prompt(asked[3])
    assert picture == asked[3].pictures[0]
    assert text == PROMPTS[benchmark.name]


def test_open_questions_of_mmmu_and_mathvista_are_asked_for_a_word_or_phrase(published: str) -> None:
    mmmu, mathvista = (questions(open_storage(), published, item) for item in named(["mmmu-v", "mathvista"]))
    (mmmu_benchmark, mathvista_benchmark) = named(["mmmu-v", "mathvista"])
    assert mmmu_benchmark.prompt(mmmu[2])[1:] == ("What is shown in 2?", PHRASE)
    assert mathvista_benchmark.prompt(mathvista[2])[-1] == PHRASE


def test_a_picture_without_ocr_words_is_asked_about_with_an_empty_list_of_them(published: str) -> None:
    (textvqa,) = named(["textvqa"])
    asked = questions(open_storage(), published, textvqa)
    assert textvqa.prompt(asked[0])[1:] == ("what brand is camera 0?", "Reference OCR tokens:", PHRASE)
