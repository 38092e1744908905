"""k-NN classification of frozen features: exact neighbours by cosine similarity, weighted votes.

Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (2018): the k nearest
training features vote for their class with weight exp(similarity / T).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation import KnnSuite
from webssl_trainer.data import LabelledSet, open_labelled
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.features import encode_images
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.labelled_sources import joined_names, labelled_digest, renumbered

_TOP = 5
_CHUNK_ELEMENTS = 1 << 24


class KnnClassification:
    """The `knn` suite. Scores: top1, top5 and prior (the majority class of the training set on the test set)."""

    kind = "knn"
    version = 1

    def __init__(self, spec: KnnSuite) -> None:
        self._spec = spec

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution

    def data_digest(self, place: Workplace) -> str:
        """Over the URLs and sizes of the files, and every image's id and class; the pixels are not read."""
        return labelled_digest(place.storage, [self._spec.train, self._spec.test])

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        began = time.monotonic()
        train = _embedded(encoder, open_labelled(place.storage, self._spec.train), place, "training images")
        test = _embedded(encoder, open_labelled(place.storage, self._spec.test), place, "test images")
        names = joined_names(train.class_names, test.class_names)
        train_labels = renumbered(train.labels, train.class_names, names)
        test_labels = renumbered(test.labels, test.class_names, names)
        embedded = time.monotonic()
        votes = knn_votes(
            train.features.to(place.device),
            torch.from_numpy(train_labels).to(place.device),
            test.features.to(place.device),
            len(names),
            self._spec.k,
            self._spec.temperature,
        )
        ranked = ranking(votes).cpu().numpy()
        predictions = [
            {"id": key, "label": names[label], "predicted": [names[number] for number in row[:_TOP]]}
            for key, label, row in zip(test.ids, test_labels, ranked, strict=True)
        ]
        details = {
            "trainImages": len(train.ids),
            "classes": len(names),
            "brokenImages": train.broken + test.broken,
            "seconds": {"features": embedded - began, "neighbours": time.monotonic() - embedded},
        }
        return Outcome(top_scores(ranked, test_labels, train_labels), len(test.ids), predictions, details)


@dataclass(frozen=True)
class Embedded:
    """A labelled set as features. features: float32 (N, D), of length 1. labels: class number of each, into class_names."""

    ids: list[str]
    features: Tensor
    labels: NDArray[np.int64]
    class_names: list[str]
    broken: int


def _embedded(encoder: Encoder, images: LabelledSet, place: Workplace, what: str) -> Embedded:
    ids: list[str] = []
    labels: list[int] = []

    def pixels() -> object:
        for image in images:
            ids.append(image.sample_id)
            labels.append(image.label)
            yield image.pixels

    features = []
    for part in encode_images(encoder, pixels()):  # type: ignore[arg-type]
        features.append(F.normalize(part.cls, dim=1))
        place.progress(what, len(ids), len(images))
    if not features:
        raise UserError(
            f"none of the {len(images)} {what} of the knn suite can be decoded; repack the shards"
        )
    return Embedded(ids, torch.cat(features), np.array(labels), images.class_names, len(images) - len(ids))


def knn_votes(
    train: Tensor, train_labels: Tensor, test: Tensor, classes: int, k: int, temperature: float
) -> Tensor:
    """Votes of the k nearest neighbours, exactly, in chunks of test rows of bounded memory.

    Args:
        train: float (N, D), rows of length 1.
        train_labels: int64 (N,), class numbers below `classes`.
        test: float (M, D), rows of length 1.
        classes: number of classes C.
        k: neighbours that vote; all N where there are fewer.
        temperature: T of the weight exp(similarity / T).

    Returns:
        float64 (M, C), the summed weights. Weights are taken relative to the nearest neighbour, which changes no
        ranking and keeps small temperatures finite.
    """
    votes = torch.zeros(len(test), classes, dtype=torch.float64, device=test.device)
    rows = max(1, _CHUNK_ELEMENTS // max(1, len(train)))
    for start in range(0, len(test), rows):
        similarity = test[start : start + rows] @ train.T
        nearest = similarity.topk(min(k, len(train)), dim=1)
        closeness = nearest.values.double()
        weights = ((closeness - closeness[:, :1]) / temperature).exp()
        votes[start : start + rows].scatter_add_(1, train_labels[nearest.indices], weights)
    return votes


def ranking(votes: Tensor) -> Tensor:
    """Class numbers by falling votes, (M, C) -> int64 (M, C); of equal votes the lower number comes first."""
    return votes.argsort(dim=1, descending=True, stable=True)


def top_scores(
    ranked: NDArray[np.int64], labels: NDArray[np.int64], train_labels: NDArray[np.int64]
) -> dict[str, float]:
    """top1, top5 and prior in per cent.

    Args:
        ranked: int64 (M, C), class numbers from the likeliest on.
        labels: int64 (M,), the true ones.
        train_labels: int64 (N,); the prior always answers the most frequent of these (the lowest of several).
    """
    hits = ranked[:, :_TOP] == labels[:, None]
    majority = int(np.bincount(train_labels).argmax())
    return {
        "top1": 100 * float(hits[:, 0].mean()),
        "top5": 100 * float(hits.any(axis=1).mean()),
        "prior": 100 * float((labels == majority).mean()),
    }
