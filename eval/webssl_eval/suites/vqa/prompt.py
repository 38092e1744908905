"""How a question is put to the language model: the question, the image's visual tokens, then a cue for the answer.

The question comes first because a frozen model then reads each distinct question once: only visual tokens, cue and answer
are computed, and differentiated through, for every pair. The visual tokens can attend to the question.
"""

from __future__ import annotations

from webssl_eval.language_models import LanguageModel

_CUE = "\nAnswer:"


def question_tokens(model: LanguageModel, question: str) -> list[int]:
    """Tokens in front of the visual tokens."""
    return model.tokens(f"Question: {question}\n")


def cue_tokens(model: LanguageModel) -> list[int]:
    """Tokens between the visual tokens and the answer."""
    return model.tokens(_CUE)


def answer_tokens(model: LanguageModel, answer: str) -> list[int]:
    """Tokens of an answer, the end included."""
    return [*model.tokens(f" {answer}"), model.end]
