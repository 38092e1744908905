"""How questions about an image are put to the language model: what stands before the visual tokens, and what behind.

`QuestionFirst` is for question sets: a frozen model then reads each distinct question once. `Chat` is for benchmarks: the
language model's own chat template, image first, as Cambrian-1 asks; what the model makes of an image is shared by all questions
about it. The projector is tuned in the form that is asked in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from webssl_trainer.errors import UserError

from webssl_eval.benchmarks.question import Part
from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.vqa.conversations import Conversation
from webssl_eval.suites.vqa.prompt import answer_tokens, cue_tokens, question_tokens
from webssl_eval.suites.vqa.requests import Request, request_of

log = structlog.get_logger("webssl.eval")
_MESSAGE = "THE-MESSAGE-STANDS-HERE"
PLAIN_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
    "{% else %}{{ 'Question:' + message['content'] + '\\nAnswer:' }}{% endif %}{% endfor %}"
)
"""What stands for a chat template where a tokenizer has none: `Question:`, the message, `Answer:`, and the end token behind answers."""


@dataclass(frozen=True)
class Example:
    """A row as the language model learns it.

    Attributes:
        tokens: token numbers, without those of the image.
        learned: for each, whether it is to be predicted: answers and their ends.
        at: number of tokens in front of the visual tokens; None for text only.
    """

    tokens: tuple[int, ...]
    learned: tuple[bool, ...]
    at: int | None

    def cut(self, most: int, visual: int) -> Example:
        """The front of it that has at most `most` positions, `visual` of them for an image; an image that would end it is left out."""
        at, room = self.at, most
        if at is not None:
            at, room = (at, most - visual) if at < most - visual else (None, min(most, at))
        return (
            self
            if at == self.at and len(self.tokens) <= room
            else Example(self.tokens[:room], self.learned[:room], at)
        )


def joined(pieces: Sequence[tuple[Sequence[int], bool] | None]) -> Example:
    """An example of pieces of tokens, each with whether they are learned; None is where the image stands."""
    tokens: list[int] = []
    learned: list[bool] = []
    at = None
    for piece in pieces:
        if piece is None:
            at = len(tokens)
            continue
        tokens += piece[0]
        learned += [piece[1]] * len(piece[0])
    return Example(tuple(tokens), tuple(learned), at)


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

    def example(self, row: Conversation, /) -> Example:
        """A whole row to learn from: token by token what would be asked, with its answers."""
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

    def example(self, row: Conversation) -> Example:
        """See `Form`. A set of questions has one turn a row."""
        pieces: list[tuple[Sequence[int], bool] | None] = []
        for number, (question, answer) in enumerate(row.turns):
            shown = row.image is not None and number == row.image_turn
            pieces += [(self.before(question), False), *([None] if shown else [])]
            pieces += [(self.behind(question), False), (self.answer(answer), True)]
        return joined(pieces)


class Chat:
    """A message of the user by the chat template of the language model; lines of text, pictures on lines of their own.

    Args:
        model: a language model. Without a chat template in its tokenizer messages are written by `PLAIN_TEMPLATE`.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        with_template(model.tokenizer)
        self._opening, self._closing = around_message(model.tokenizer)
        self._between = between_messages(model.tokenizer)

    def before(self, _question: str, /) -> list[int]:
        """See `Form`."""
        return self._model.tokens(self._opening)

    def behind(self, question: str) -> list[int]:
        """See `Form`."""
        return self._model.tokens(f"\n{question}{self._closing}")

    def answer(self, answer: str) -> list[int]:
        """See `Form`."""
        return [*self._model.tokens(answer), self._model.end]

    def example(self, row: Conversation) -> Example:
        """See `Form`. The end token stands behind each answer; what the template writes from there to the next question is not learned."""
        pieces: list[tuple[Sequence[int], bool] | None] = []
        for number, (question, answer) in enumerate(row.turns):
            lead = self._opening if number == 0 else self._between
            if row.image is not None and number == row.image_turn:
                pieces += [(self._model.tokens(lead), False), None, (self.behind(question), False)]
            else:
                pieces.append((self._model.tokens(f"{lead}{question}{self._closing}"), False))
            pieces.append((self.answer(answer), True))
        return joined(pieces)

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


def between_messages(tokenizer: Any) -> str:
    """What a chat template writes between an answer and the next message of the user, without the end token.

    Templates that can not show several turns open each message as they open the first.
    """
    answer, second = f"{_MESSAGE}-ANSWER", f"{_MESSAGE}-SECOND"
    messages = [
        {"role": "user", "content": f"{_MESSAGE}-FIRST"},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": second},
    ]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    _, mark, rest = text.partition(answer)
    between, found, _ = rest.partition(second)
    if not (mark and found):
        return around_message(tokenizer)[0]
    return between.removeprefix(tokenizer.eos_token or "")


def with_template(tokenizer: Any) -> bool:
    """Give a tokenizer the plain template where it has none; whether that was needed."""
    if tokenizer.chat_template:
        return False
    tokenizer.chat_template = PLAIN_TEMPLATE
    return True


def check_template(name: str, folder: Path) -> None:
    """Look whether a language model can chat, without loading its weights.

    Args:
        name: `languageModel` in the manifest.
        folder: where it is.

    Raises:
        UserError: its tokenizer cannot be read, or its chat template is not usable. One that has none is asked in plain words.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"languageModel {name} cannot be loaded: {error}") from error
    mend = "put one that works as chat_template.jinja into its folder, or name another model"
    if with_template(tokenizer):
        log.warning("vqa.no_chat_template", language_model=name, instead="Question: ... Answer: ...")
    try:
        around_message(tokenizer)
    except Exception as error:  # templates are programs, and fail in any way
        raise UserError(f"languageModel {name}: its chat template fails ({error}); {mend}") from error
