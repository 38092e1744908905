"""Greedy answers in batches of questions of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from webssl_eval.language_models import LanguageModel, Prefixes
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.prompt import answer_tokens, cue_tokens, question_tokens
from webssl_eval.suites.vqa.questions import Question
from webssl_eval.suites.vqa.sequences import asking_batch
from webssl_eval.suites.vqa.visual_tokens import TokenTable

_BATCH = 32
_SPARE_TOKENS = 2


def answer_room(model: LanguageModel, train: Sequence[Question]) -> int:
    """Tokens that an answer may have: as many as the longest training answer, and a few to show when it goes on."""
    return (
        max(len(answer_tokens(model, text)) for text in {question.answer for question in train})
        + _SPARE_TOKENS
    )


@torch.inference_mode()
def answer_all(
    projector: Projector,
    model: LanguageModel,
    prefixes: Prefixes,
    questions: Sequence[Question],
    table: TokenTable,
    most: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """The answers, in the order of the questions; up to `most` tokens each."""
    texts = [question_tokens(model, question.question) for question in questions]
    order = sorted(range(len(questions)), key=lambda number: len(texts[number]))
    answers = [""] * len(questions)
    done = 0
    for chosen in _batches(order):
        visual = projector(table.get([questions[number].image for number in chosen]).to(model.device))
        inputs = asking_batch(model, visual, cue_tokens(model))
        past = prefixes.past([texts[number] for number in chosen])
        for number, text in zip(chosen, model.greedy(past, inputs, most), strict=True):
            answers[number] = text
        done += len(chosen)
        progress(done, len(order))
    return answers


@torch.inference_mode()
def blind_answers(
    projector: Projector,
    model: LanguageModel,
    prefixes: Prefixes,
    questions: Sequence[Question],
    tokens: int,
    most: int,
) -> list[str]:
    """The answers when every image is the mean image: what the tuned prompt alone knows.

    Zeros in the language model's own space would also take away what the projector learnt of the form of answers, and so
    flatter the score with the image. Equal questions get equal answers, so each is asked once.
    """
    distinct = sorted({question.question for question in questions}, key=lambda text: (len(text), text))
    known: dict[str, str] = {}
    for numbers in _batches(range(len(distinct))):
        chosen = [distinct[number] for number in numbers]
        visual = projector(projector.mean.expand(len(chosen), tokens, -1))
        inputs = asking_batch(model, visual, cue_tokens(model))
        past = prefixes.past([question_tokens(model, text) for text in chosen])
        known.update(zip(chosen, model.greedy(past, inputs, most), strict=True))
    return [known[question.question] for question in questions]


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _BATCH):
        yield numbers[start : start + _BATCH]
