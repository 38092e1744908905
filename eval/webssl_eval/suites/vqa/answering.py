"""Greedy answers in batches of questions of like length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.prompt import answer_tokens, prompt_tokens
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
    questions: Sequence[Question],
    table: TokenTable,
    most: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """The answers, in the order of the questions; up to `most` tokens each."""
    prompts = [prompt_tokens(model, question.question) for question in questions]
    order = sorted(range(len(questions)), key=lambda number: len(prompts[number]))
    answers = [""] * len(questions)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        visual = projector(table.get([questions[number].image for number in chosen]).to(model.device))
        inputs, mask = asking_batch(model, visual, [prompts[number] for number in chosen])
        for number, text in zip(chosen, model.greedy(inputs, mask, most), strict=True):
            answers[number] = text
        progress(min(start + _BATCH, len(order)), len(order))
    return answers


@torch.inference_mode()
def blind_answers(
    projector: Projector, model: LanguageModel, questions: Sequence[Question], tokens: int, most: int
) -> list[str]:
    """The answers when every image is the mean image: what the tuned prompt alone knows.

    Zeros in the language model's own space would also take away what the projector learnt of the form of answers, and so
    flatter the score with the image. Equal questions get equal answers, so each is asked once.
    """
    distinct = sorted({question.question for question in questions}, key=lambda text: (len(text), text))
    known: dict[str, str] = {}
    for start in range(0, len(distinct), _BATCH):
        chosen = distinct[start : start + _BATCH]
        visual = projector(projector.mean.expand(len(chosen), tokens, -1))
        inputs, mask = asking_batch(model, visual, [prompt_tokens(model, text) for text in chosen])
        known.update(zip(chosen, model.greedy(inputs, mask, most), strict=True))
    return [known[question.question] for question in questions]
