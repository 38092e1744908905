"""Examples of the suites' own predictions: questions of `vqa`, and classes of `knn` and `linear`, with their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from webssl_trainer.data import open_labelled
from webssl_trainer.storage import Storage, StorageNotFoundError, join

from webssl_eval.images import locate, read_images
from webssl_eval.report.account import Example
from webssl_eval.report.chosen import Answer, answers, as_example, chosen_answers, shortened
from webssl_eval.report.thumbnails import thumbnail, thumbnail_of_pixels
from webssl_eval.report.unreadable import UNREADABLE
from webssl_eval.results import PREDICTIONS, Scores
from webssl_eval.suites.vqa.questions import load_questions


def suite_examples(storage: Storage, scores: Mapping[str, Scores], each: int) -> list[Example]:
    """Examples of every suite whose predictions are answers; a picture that cannot be read is said to be missing.

    Args:
        storage: where predictions and data are.
        scores: of the checkpoint's suites, by folder.
        each: right and wrong ones a suite.
    """
    found: list[Example] = []
    for folder, item in scores.items():
        try:
            known = answers(storage.read(join(folder, PREDICTIONS)))
        except (StorageNotFoundError, ValueError):
            continue
        shown = chosen_answers(known, each)
        if not shown:
            continue
        kind = item.report.kind
        source = str((item.settings.get(kind) or {}).get("test", ""))
        try:
            pictures, why = _pictures(storage, kind, source, [answer.id for answer in shown]), ""
        except UNREADABLE as error:
            pictures, why = {}, shortened(str(error), 160)
        found += [_illustrated(item.report.suite, answer, pictures, why) for answer in shown]
    return found


def _illustrated(suite: str, answer: Answer, pictures: Mapping[str, bytes], why: str) -> Example:
    picture = pictures.get(answer.id)
    return as_example(suite, answer, picture, "" if picture is not None else why or "it is not readable")


def _pictures(storage: Storage, kind: str, source: str, ids: Sequence[str]) -> dict[str, bytes]:
    """Thumbnails by id."""
    return _of_questions(storage, source, ids) if kind == "vqa" else _of_classes(storage, source, ids)


def _of_questions(storage: Storage, source: str, ids: Sequence[str]) -> dict[str, bytes]:
    wanted = set(ids)
    questions = [question for question in load_questions(storage, source).questions if question.id in wanted]
    refs = [question.image for question in questions]
    located = locate(storage, {question.image: question.place for question in questions})
    read = read_images(storage, located, refs)
    return {question.id: thumbnail(data) for question, data in zip(questions, read, strict=True)}


def _of_classes(storage: Storage, source: str, ids: Sequence[str]) -> dict[str, bytes]:
    images = open_labelled(storage, source)
    wanted = set(ids)
    found: dict[str, bytes] = {}
    for number, key in enumerate(images.sample_ids):
        if key in wanted:
            pixels = images.read(range(number, number + 1))[0]
            if pixels is not None:
                found[key] = thumbnail_of_pixels(pixels)
    return found
