"""Rows of tiny sets with the columns that the hub's data sets have. Question N is about picture N unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webssl_eval.benchmarks.mme import PERCEPTION

from tests.unit.eval.benchmarks.made_pictures import picture

Rows = list[dict[str, Any]]
LETTERS = "ABCD"


def mme_rows(count: int) -> Rows:
    """Two questions about each image; every fifth image is of the cognition part, which is left out."""
    rows = []
    for number in range(count):
        kind = PERCEPTION[number % len(PERCEPTION)]
        for answer in ("Yes", "No"):
            question = f"Is this picture {number} {answer}? Please answer yes or no."
            rows.append(
                {
                    "question_id": f"{kind}/{number:04d}.png",
                    "image": picture(number),
                    "question": question,
                    "answer": answer,
                    "category": kind,
                }
            )
    odd = {"question_id": "code_reasoning/0001.png", "image": picture(0), "question": "2 + 2?"}
    return [*rows, {**odd, "answer": "Yes", "category": "code_reasoning"}]


def mmbench_rows(count: int) -> Rows:
    """Three passes of each question, one for each of its options."""
    rows = []
    for number in range(count):
        texts = ["ant", "bee", "cow"]
        for turn in range(3):
            turned = texts[turn:] + texts[:turn]
            rows.append(
                {
                    "index": turn * 1_000_000 + number,
                    "question": f"What animal is number {number}?",
                    "hint": "It has legs." if number % 2 else "nan",
                    "answer": LETTERS[turned.index("bee")],
                    **dict(zip("ABC", turned, strict=True)),
                    "D": "nan",
                    "category": "nature_relation" if number % 2 else "object_localization",
                    "image": picture(number),
                    "source": "made",
                    "l2-category": "attribute_reasoning",
                    "comment": "nan",
                    "split": "dev",
                }
            )
    return rows


def seed_rows(count: int) -> Rows:
    """Image questions, and a last one about a video."""
    rows = [
        {
            "answer": LETTERS[number % 4],
            **{f"choice_{letter}": f"choice {letter} of {number}" for letter in "abcd"},
            "data_id": f"{number}",
            "data_type": "image",
            "question": f"How many towels are in picture {number}?",
            "question_id": str(100 + number),
            "question_type_id": 1 + number % 9,
            "image": [picture(number)],
            "segment": None,
        }
        for number in range(count)
    ]
    return [*rows, {**rows[0], "question_id": "v1", "data_type": "video", "image": [picture(0), picture(1)]}]


def gqa_rows(count: int) -> tuple[Rows, Rows]:
    """Questions, two about each image, and images."""
    questions = [
        {
            "id": f"2010{number}",
            "imageId": f"n{number // 2}",
            "question": f"Is the sky of {number} dark?",
            "isBalanced": True,
            "answer": "yes" if number % 2 else "no",
            "fullAnswer": "Yes, it is.",
            "types": {"structural": "verify"},
        }
        for number in range(count)
    ]
    return questions, [
        {"id": f"n{number}", "image": picture(number)} for number in reversed(range(-(-count // 2)))
    ]


def scienceqa_rows(count: int) -> Rows:
    """Every second row has no image and is left out."""
    return [
        {
            "image": picture(number // 2) if number % 2 == 0 else None,
            "question": f"Which is colder, {number // 2}?",
            "choices": ["the Sun", "the Moon", "50%"],
            "answer": number // 2 % 3,
            "hint": "Think of night." if number // 2 % 2 else "",
            "task": "closed choice",
            "grade": "grade5",
            "subject": "natural science",
        }
        for number in range(2 * count)
    ]


def mmmu_rows(count: int) -> Rows:
    """Multiple choice and, every third, open questions."""
    return [
        {
            "id": f"validation_Art_Theory_{number}",
            "question": f"<image 1> What is shown in {number}?",
            "options": "[]" if number % 3 == 2 else "['a lion', \"it's a <image 2>\", 'a wall']",
            "explanation": "",
            "image_1": picture(number),
            "image_2": None,
            "img_type": "['Paintings']",
            "answer": "['$6,000', '6000']" if number % 3 == 2 else LETTERS[number % 3],
            "question_type": "open" if number % 3 == 2 else "multiple-choice",
            "subfield": "Art Theory",
        }
        for number in range(count)
    ]


def mathvista_rows(count: int) -> Rows:
    """Multiple choice and, every second, free answers."""
    return [
        {
            "pid": str(number),
            "question": f"How long is line {number}?",
            "image": f"images/{number}.jpg",
            "decoded_image": picture(number),
            "choices": ["3", "4", "5"] if number % 2 else None,
            "unit": None,
            "precision": 1.0,
            "answer": "4" if number % 2 else "1.2",
            "question_type": "multi_choice" if number % 2 else "free_form",
            "answer_type": "float",
            "query": f"Hint: Please answer.\nQuestion: How long is line {number}?",
        }
        for number in range(count)
    ]


def ai2d_rows(count: int) -> Rows:
    return [
        {
            "question": f"What eats {number}?",
            "options": ["hawk", "snake", "mouse", "grass"],
            "answer": str(number % 4),
            "image": picture(number),
        }
        for number in range(count)
    ]


def chartqa_rows(count: int) -> Rows:
    return [
        {
            "type": "human_test" if number % 2 else "augmented_test",
            "question": f"What is the highest bar of {number}?",
            "answer": f"{number}.5",
            "image": picture(number),
        }
        for number in range(count)
    ]


def ocrbench_rows(count: int) -> Rows:
    formulas = "Handwritten Mathematical Expression Recognition"
    return [
        {
            "dataset": "HME100k" if number % 3 == 2 else "IIIT5K",
            "question": f"what is written in image {number}?",
            "question_type": formulas if number % 3 == 2 else "Regular Text Recognition",
            "answer": ["x ^ { 2 }"] if number % 3 == 2 else ["CENTRE", f"Centre {number}"],
            "image": picture(number),
        }
        for number in range(count)
    ]


def textvqa_rows(count: int) -> Rows:
    return [
        {
            "image_id": f"{number:016x}",
            "question_id": 34602 + number,
            "question": f"what brand is camera {number}?",
            "image": picture(number),
            "answers": ["dakota"] * 10,
            "set_name": "val",
            "ocr_tokens": ["DAKOTA", "digital"] if number % 2 else [],
        }
        for number in range(count)
    ]


def docvqa_rows(count: int) -> Rows:
    return [
        {
            "questionId": str(49153 + number),
            "question": f"What is the date on page {number}?",
            "question_types": ["handwritten"],
            "image": picture(number),
            "docId": number,
            "answers": [f"March {number}", f"{number} March"],
            "data_split": "val",
        }
        for number in range(count)
    ]


def realworldqa_rows(count: int) -> Rows:
    return [
        {
            "image": picture(number),
            "question": f"Which way does {number} go?\nA. Left\nB. Right\nPlease answer directly.",
            "answer": LETTERS[number % 2],
            "image_path": f"{number}.webp",
        }
        for number in range(count)
    ]


def cvbench_rows(part: str, sources: Sequence[str], count: int) -> Rows:
    return [
        {
            "idx": number,
            "type": part,
            "task": "Count",
            "image": picture(number),
            "question": f"How many pears are in {number}?",
            "choices": ["1", "2", "3"],
            "answer": f"({LETTERS[number % 3]})",
            "prompt": f"How many pears are in {number}? Select from the following choices.\n(A) 1\n(B) 2\n(C) 3",
            "source": sources[number % len(sources)],
        }
        for number in range(count)
    ]
