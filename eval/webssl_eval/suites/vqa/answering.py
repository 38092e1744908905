"""Greedy answers in batches of questions of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from webssl_eval.images import ImageRef
from webssl_eval.language_models import LanguageModel, Prefixes
from webssl_eval.suites.vqa.forms import Form
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.questions import Question
from webssl_eval.suites.vqa.sequences import asking_batch
from webssl_eval.suites.vqa.visual_tokens import TokenTable

_BATCH = 32
_SPARE_TOKENS = 2
_LONG_ANSWER = 64


def answer_room(form: Form, answers: Iterable[str]) -> int:
    """Tokens that an answer may have: as many as the longest of the training answers, and a few to show when it goes on."""
    return max((len(form.answer(text)) for text in answers), default=_LONG_ANSWER) + _SPARE_TOKENS


@torch.inference_mode()
def answer_all(
    projector: Projector,
    model: LanguageModel,
    form: Form,
    prefixes: Prefixes,
    questions: Sequence[Question],
    images: Sequence[ImageRef],
    table: TokenTable[ImageRef],
    most: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """The answer to each question about the image at its place, in order; up to `most` tokens each."""
    before = [form.before(question.question) for question in questions]
    behind = [form.behind(question.question) for question in questions]
    order = sorted(range(len(questions)), key=lambda number: len(before[number]) + len(behind[number]))
    answers = [""] * len(questions)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        visual = projector(table.get([images[number] for number in chosen]).to(model.device))
        inputs, mask = asking_batch(model, visual, [behind[number] for number in chosen])
        past = prefixes.past([before[number] for number in chosen])
        for number, text in zip(chosen, model.greedy(past, inputs, most, mask), strict=True):
            answers[number] = text
        progress(start + len(chosen), len(order))
    return answers


def exchanged(images: Sequence[ImageRef]) -> list[ImageRef]:
    """Another image in the place of each, as far from it in the order of first mention as there are images to.

    An answer about it shows what the tuned prompt knows without the image. An empty image would not do: the language model
    never saw one in tuning, loses the form of answers over it, and so flatters the score with the image.
    """
    distinct = list(dict.fromkeys(images))
    place = {image: number for number, image in enumerate(distinct)}
    return [distinct[(place[image] + (len(distinct) + 1) // 2) % len(distinct)] for image in images]
