"""How questions about an image are put to the language model: what stands before the visual tokens, and what behind.

`QuestionFirst` is for question sets: a frozen model then reads each distinct question once. `Chat` is for benchmarks: the
language model's own chat template, image first, as Cambrian-1 asks; what the model makes of an image is shared by all questions
about it. The projector is tuned in the form that is asked in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from webssl_trainer.errors import UserError

from webssl_eval.benchmarks.question import Part
from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.vqa.prompt import answer_tokens, cue_tokens, question_tokens
from webssl_eval.suites.vqa.requests import Request, request_of

_MESSAGE = "THE-MESSAGE-STANDS-HERE"


class Form(Protocol):
    """How questions are put. All are token numbers, at least one before and one behind the visual tokens."""

    def before(self, question: str, /) -> list[int]:
        """What stands before the visual tokens."""
        ...

    def behind(self, question: str, /) -> list[int]:
        """What stands between the visual tokens and the answer."""
        ...

    def answer(self, answer: str, /) -> list[int]:
        """An answer, its end included."""
        ...


class QuestionFirst:
    """The question, the image, and a cue for the answer; works with any causal language model."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def before(self, question: str) -> list[int]:
        """See `Form`."""
        return question_tokens(self._model, question)

    def behind(self, _question: str, /) -> list[int]:
        """See `Form`."""
        return cue_tokens(self._model)

    def answer(self, answer: str) -> list[int]:
        """See `Form`."""
        return answer_tokens(self._model, answer)


class Chat:
    """A message of the user by the chat template of the language model; lines of text, pictures on lines of their own.

    Args:
        model: a language model whose tokenizer has a chat template; see `check_template`.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._opening, self._closing = around_message(model.tokenizer)

    def before(self, _question: str, /) -> list[int]:
        """See `Form`."""
        return self._model.tokens(self._opening)

    def behind(self, question: str) -> list[int]:
        """See `Form`."""
        return self._model.tokens(f"\n{question}{self._closing}")

    def answer(self, answer: str) -> list[int]:
        """See `Form`."""
        return [*self._model.tokens(answer), self._model.end]

    def request(self, parts: Sequence[Part]) -> Request:
        """A prompt as a request; neighbouring lines are one text, so that `behind` gives the same tokens."""
        joined: list[Part] = []
        for place, part in enumerate(parts):
            text = ("\n" if place else "") + (part if isinstance(part, str) else "")
            if joined and isinstance(joined[-1], str):
                joined[-1] += text
            elif text:
                joined.append(text)
            if not isinstance(part, str):
                joined.append(part)
        if joined and isinstance(joined[-1], str):
            joined[-1] += self._closing
        else:
            joined.append(self._closing)
        tokens = [tuple(self._model.tokens(part)) if isinstance(part, str) else () for part in joined]
        return request_of(joined, tuple(self._model.tokens(self._opening)), tokens)


def around_message(tokenizer: Any) -> tuple[str, str]:
    """What a chat template writes before and behind a message of the user, up to where the answer starts."""
    message = [{"role": "user", "content": _MESSAGE}]
    text: str = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    opening, mark, closing = text.partition(_MESSAGE)
    if not (mark and opening and closing):
        raise ValueError(f"the chat template makes {text[:200]!r} of a message")
    return opening, closing


def check_template(name: str, folder: Path) -> None:
    """Look whether a language model can chat, without loading its weights.

    Args:
        name: `languageModel` in the manifest.
        folder: where it is.

    Raises:
        UserError: its tokenizer cannot be read, or has no usable chat template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"languageModel {name} cannot be loaded: {error}") from error
    mend = "benchmarks are asked as messages: name an instruct model, or put a chat_template.jinja into its folder"
    if not tokenizer.chat_template:
        raise UserError(f"languageModel {name}: its tokenizer has no chat template; {mend}")
    try:
        around_message(tokenizer)
    except Exception as error:  # templates are programs, and fail in any way
        raise UserError(f"languageModel {name}: its chat template fails ({error}); {mend}") from error
