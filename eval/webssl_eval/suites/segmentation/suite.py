"""The `segmentation` suite from images and class maps to scores."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation_probes import SegmentationSuite
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.suites.dense.batches import Batches, Sampling, training_batches
from webssl_eval.suites.dense.fitting import Recipe, fit, linear_decay
from webssl_eval.suites.dense.maps import MappedImage, MapSet, maps_digest, open_maps
from webssl_eval.suites.dense.reading import Reading, last_layers
from webssl_eval.suites.dense.whole import averaged, outputs_at
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.segmentation.head import SegmentationHead, pixel_loss
from webssl_eval.suites.segmentation.scoring import IGNORED, confusion, prior, scores

MEMBER = "seg.png"
CLASSES_FILE = "classes.json"
WEIGHT_DECAY = 1e-4
SCALES = (0.5, 2.0)
MULTI_SCALES = (1.0, 1.32, 1.73, 2.28, 3.0)
RESOLUTION = {"linear": 518, "ms": 644}
_MS_LAYERS = 4


@dataclass(frozen=True)
class ClassValues:
    """How values of a map are classes. ignored: value of pixels that do not count; 0 moves the classes to the values from 1 on."""

    classes: int
    ignored: int

    def numbers(self, image: MappedImage) -> NDArray[np.int64]:
        """Class numbers from 0 on, IGNORED where a pixel does not count, int64 (H, W).

        Raises:
            UserError: a value is of no class.
        """
        found = self.of(image.values.astype(np.int64))
        if found.max(initial=0) >= self.classes:
            value = int(image.values[found >= self.classes][0])
            raise UserError(
                f"the map of {image.sample_id} has the value {value}, beyond the {self.classes} classes of "
                "spec.evaluation.suites.segmentation.classes; raise it, or set ignored to that value"
            )
        return found

    def of(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class numbers of any values."""
        first = 1 if self.ignored == 0 else 0
        return np.where(values == self.ignored, IGNORED, values - first)


class LinearSegmentation:
    """The `segmentation` suite. Scores: miou, pixelAccuracy, meanAccuracy, and prior (miou of the most frequent class everywhere).

    Source: Oquab et al., "DINOv2" (2023), section on segmentation, and its settings of ADE20K: AdamW over 40,000 steps of 16
    crops of 512 (ms: 640) pixels, decay 1e-4, windows at a stride of two thirds; ms at five scales with mirror images.
    """

    kind = "segmentation"
    version = 2

    def __init__(self, spec: SegmentationSuite) -> None:
        self._spec = spec
        self._values = ClassValues(spec.classes, spec.ignored)

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution or RESOLUTION[self._spec.variant]

    def data_digest(self, place: Workplace) -> str:
        """Over ids, places and sizes of all images and maps; no pixel is read."""
        return maps_digest(place.storage, [self._spec.train, self._spec.test], MEMBER)

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        place.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="segmentation-", dir=place.scratch) as folder:
            return self._run(encoder, place, Path(folder))

    def _run(self, encoder: Encoder, place: Workplace, folder: Path) -> Outcome:
        spec, began = self._spec, time.monotonic()
        train, test = (open_maps(place.storage, uri, MEMBER) for uri in (spec.train, spec.test))
        reading = Reading(last_layers(encoder.depth, _MS_LAYERS if spec.variant == "ms" else 1), True, False)
        head = SegmentationHead(reading.width(encoder), spec.classes, spec.seed).to(place.device)
        seen = np.zeros(spec.classes, dtype=np.int64)
        batches = self._classed(self._batches(encoder, reading, train, place, folder), seen)
        recipe = Recipe(spec.steps, spec.learning_rate, WEIGHT_DECAY, linear_decay)
        losses = fit(head, batches, pixel_loss, recipe, place.device, partial(place.progress, "head steps"))
        trained = time.monotonic()
        table, predictions = self._scored(encoder, reading, head, test, place)
        details = {
            "trainImages": len(train),
            "layers": list(reading.layers),
            "firstLoss": losses[0],
            "lastLoss": float(np.mean(losses[-10:])),
            "seconds": {"training": trained - began, "scoring": time.monotonic() - trained},
        }
        found = {**scores(table), "prior": prior(table.sum(1), seen)}
        return Outcome(found, len(test), predictions, details, {CLASSES_FILE: classes_file(table)})

    def _batches(
        self, encoder: Encoder, reading: Reading, images: MapSet, place: Workplace, folder: Path
    ) -> Batches:
        spec = self._spec
        sampling = Sampling(spec.batch_size, spec.seed, SCALES, spec.ignored, self._values.numbers)
        progress = partial(place.progress, "training images")
        return training_batches(encoder, reading, images, sampling, spec.augment, folder, progress)

    def _classed(self, batches: Batches, seen: NDArray[np.int64]) -> Batches:
        """Values as class numbers; counts the pixels of each class that were shown in `seen`."""
        for features, values in batches:
            numbers = self._values.of(values.numpy())
            seen += np.bincount(numbers[numbers != IGNORED], minlength=len(seen))
            yield features, torch.from_numpy(numbers)

    def _scored(
        self, encoder: Encoder, reading: Reading, head: SegmentationHead, images: MapSet, place: Workplace
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        several = self._spec.variant == "ms"
        outputs = partial(outputs_at, encoder, reading, head, device=place.device)
        table = np.zeros((self._spec.classes, self._spec.classes), dtype=np.int64)
        predictions: list[dict[str, Any]] = []
        for image in _one_by_one(images):
            reference = self._values.numbers(image)
            chances = averaged(outputs, image.pixels, MULTI_SCALES if several else (1.0,), several, _softmax)
            own = confusion(chances.argmax(0).cpu().numpy(), reference, self._spec.classes)
            table += own
            predictions.append({"id": image.sample_id, "pixels": int(own.sum()), **scores(own)})
            place.progress("test images", len(predictions), len(images))
        return table, predictions


def classes_file(table: NDArray[np.int64]) -> bytes:
    """Pixels and IoU of every class as JSON, by class number from 0 on; IoU is null where the class never comes."""
    right, there, called = np.diag(table), table.sum(1), table.sum(0)
    rows = [
        {"class": number, "pixels": int(there[number]), "iou": 100 * right[number] / union if union else None}
        for number, union in enumerate(there + called - right)
    ]
    return json.dumps(rows, indent=1).encode()


def _softmax(logits_KHW: Tensor) -> Tensor:
    return logits_KHW.softmax(0)


def _one_by_one(images: MapSet) -> Iterator[MappedImage]:
    for number in range(len(images)):
        yield from images.read([number])
