"""How a question is put to the language model: visual tokens, then this text, then the answer."""

from __future__ import annotations

from webssl_eval.language_models import LanguageModel


def prompt_tokens(model: LanguageModel, question: str) -> list[int]:
    """Tokens behind the visual tokens. Short, because on a small model every token costs; the same in tuning and answering."""
    return model.tokens(f"\nQuestion: {question}\nAnswer:")


def answer_tokens(model: LanguageModel, answer: str) -> list[int]:
    """Tokens of an answer, the end included."""
    return [*model.tokens(f" {answer}"), model.end]
