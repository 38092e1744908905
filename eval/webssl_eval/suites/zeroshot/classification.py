"""Labelled images among the texts of their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation_zeroshot import Reading
from webssl_trainer.data import LabelledSet
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.features import ENCODE_BATCH, chunked, stacked
from webssl_eval.suites.zeroshot.ranks import Ranked, ranked, recall
from webssl_eval.suites.zeroshot.readings import reading_of

TOP = 5


@dataclass(frozen=True)
class LabelledReadings:
    """Labelled images that could be decoded. readings: float32 (N, D). labels: class numbers of the set, int64 (N,)."""

    keys: list[str]
    readings: Tensor
    labels: NDArray[np.int64]
    broken: int


def labelled_readings(
    encoder: Encoder, images: LabelledSet, reading: Reading, progress: Callable[[int, int], None]
) -> LabelledReadings:
    """Readings of a labelled set; broken images are left out and counted.

    Raises:
        UserError: none can be decoded, or as `reading_of`.
    """
    keys: list[str] = []
    labels: list[int] = []
    parts = []
    for chunk in chunked(images, ENCODE_BATCH):
        views = stacked(encoder, [image.pixels for image in chunk])
        parts.append(reading_of(encoder.encode(views), reading, encoder.name))
        keys += [image.sample_id for image in chunk]
        labels += [image.label for image in chunk]
        progress(len(keys), len(images))
    if not parts:
        raise UserError(
            f"none of the {len(images)} test images of the zeroshot suite can be decoded; repack the shards"
        )
    return LabelledReadings(keys, torch.cat(parts), np.array(labels, dtype=np.int64), len(images) - len(keys))


def classify(images_NE: Tensor, classes_CE: Tensor, answers: NDArray[np.int64]) -> Ranked:
    """The rank of each image's own class. answers: int64 (N,), rows of `classes_CE`."""
    return ranked(images_NE, classes_CE, [[int(row)] for row in answers], TOP)


def class_scores(found: Ranked, answers: NDArray[np.int64], classes: int) -> dict[str, float]:
    """top1 and top5 in per cent; beside them prior (always the class that is most frequent among the test images, since
    there are no training labels) and chance (1 / C)."""
    return {
        "top1": recall(found.ranks, 1),
        "top5": recall(found.ranks, TOP),
        "prior": 100 * float(np.bincount(answers).max()) / len(answers),
        "chance": 100 / classes,
    }


def class_predictions(
    keys: Sequence[str], found: Ranked, answers: NDArray[np.int64], names: Sequence[str]
) -> list[dict[str, Any]]:
    """A line for each image: its class, the five nearest, and the rank of its own."""
    return [
        {
            "id": key,
            "label": names[answer],
            "predicted": [names[number] for number in nearest],
            "rank": int(rank),
        }
        for key, answer, nearest, rank in zip(keys, answers, found.nearest, found.ranks, strict=True)
    ]
