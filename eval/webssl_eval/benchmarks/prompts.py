"""Prompts that several benchmarks share: the picture first, then the question, as Cambrian-1 asks.

The instructions are those of Cambrian-1's evaluation, word for word: its language models were tuned on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from webssl_eval.benchmarks.question import Part, Question
from webssl_eval.benchmarks.rules.letters import letter_of

LETTER = "Answer with the option's letter from the given choices directly."
PHRASE = "Answer the question using a single word or phrase."
SHORT = "Give the short answer directly."


def lines(question: Question, *text: str) -> tuple[Part, ...]:
    """The question's first picture, then lines of text; empty lines are left out."""
    return (question.pictures[0], *[line for line in text if line])


def options(choices: Iterable[str]) -> list[str]:
    """One line an option, with its letter."""
    return [f"{letter_of(number)}. {choice}" for number, choice in enumerate(choices)]


def asking(instruction: str) -> Callable[[Question], tuple[Part, ...]]:
    """Prompts of a question and an instruction."""

    def prompt(question: Question) -> tuple[Part, ...]:
        return lines(question, question.text, instruction)

    return prompt


def choosing(head: str = " Options:") -> Callable[[Question], tuple[Part, ...]]:
    """Prompts of a question followed by `head`, its options, and the instruction to answer with a letter."""

    def prompt(question: Question) -> tuple[Part, ...]:
        listed = options(question.reference.choices)
        return lines(question, question.hint, question.text + head, *listed, LETTER)

    return prompt
