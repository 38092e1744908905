"""Which answers a report shows: as many wrong as right ones, the same at every call, from all over the set. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webssl_eval.report.account import Example


@dataclass(frozen=True)
class Answer:
    """An answer of a suite's predictions.jsonl. question: "" where the suite asks none (classification)."""

    id: str
    question: str
    reference: str
    answer: str
    credit: float


def spread(credits: Mapping[str, float], each: int) -> tuple[str, ...]:
    """Ids of at most `each` right and `each` wrong answers, right ones first, in the order of the ids' digests.

    Right is a credit of at least a half.
    """
    ordered = sorted(credits, key=lambda key: hashlib.sha256(key.encode()).digest())
    right = [key for key in ordered if credits[key] >= 0.5][:each]
    wrong = [key for key in ordered if credits[key] < 0.5][:each]
    return (*right, *wrong)


def answers(lines: bytes) -> dict[str, Answer]:
    """The answers in a predictions.jsonl by id: of questions, or of classification; other lines have none."""
    found: dict[str, Answer] = {}
    for raw in lines.splitlines():
        if raw.strip():
            answer = _answer(json.loads(raw))
            if answer is not None:
                found[answer.id] = answer
    return found


def chosen_answers(known: Mapping[str, Answer], each: int) -> list[Answer]:
    """The answers that are shown."""
    return [known[key] for key in spread({key: item.credit for key, item in known.items()}, each)]


def as_example(source: str, answer: Answer, picture: bytes | None, missing: str = "") -> Example:
    """An answer with its picture."""
    question = answer.question or f"image {answer.id}"
    return Example(source, question, answer.reference, answer.answer, answer.credit, picture, missing)


def reference_text(accepted: Sequence[str], choices: Sequence[str]) -> str:
    """What would have been right: each accepted answer once, a letter with the option that it stands for."""
    return " / ".join(dict.fromkeys(_option(answer, choices) for answer in accepted))


def question_text(text: str, choices: Sequence[str]) -> str:
    """A question and its options, each behind its letter on a line of its own; those that it names itself are not repeated."""
    lettered = [(chr(ord("A") + number), choice) for number, choice in enumerate(choices)]
    if all(f"({letter}) {choice}" in text or f"{letter}. {choice}" in text for letter, choice in lettered):
        return text
    return "\n".join([text, *(f"{letter}. {choice}" for letter, choice in lettered)])


def shortened(text: str, most: int = 400) -> str:
    """A text cut to a readable length, and said to be."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _option(answer: str, choices: Sequence[str]) -> str:
    number = ord(answer) - ord("A") if len(answer) == 1 else -1
    return f"{answer}. {choices[number]}" if 0 <= number < len(choices) else answer


def _answer(line: Mapping[str, Any]) -> Answer | None:
    if {"id", "question", "reference", "answer", "right"} <= line.keys():
        key, question, reference, answer = (
            str(line[name]) for name in ("id", "question", "reference", "answer")
        )
        return Answer(key, question, reference, answer, float(bool(line["right"])))
    if {"id", "label", "predicted"} <= line.keys():
        predicted: Iterable[Any] = line["predicted"]
        ranked = [str(name) for name in predicted]
        first = ranked[0] if ranked else ""
        rest = f" (then {', '.join(ranked[1:4])})" if len(ranked) > 1 else ""
        return Answer(
            str(line["id"]), "", str(line["label"]), f"{first}{rest}", float(first == str(line["label"]))
        )
    return None
