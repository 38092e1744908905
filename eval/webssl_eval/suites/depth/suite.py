"""The `depth` suite from images and depth maps to scores."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from webssl_api.evaluation_probes import DepthSuite
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.suites.dense.batches import Batches, Sampling, training_batches
from webssl_eval.suites.dense.fitting import Recipe, fit, warm_third_of_cosine
from webssl_eval.suites.dense.maps import MapSet, maps_digest, open_maps
from webssl_eval.suites.dense.reading import Reading, last_layers, spread_layers
from webssl_eval.suites.dense.whole import averaged, outputs_at
from webssl_eval.suites.depth.head import DepthHead, depth_loss
from webssl_eval.suites.depth.scoring import image_scores, mean_scores, scored_pixels
from webssl_eval.suites.interface import Outcome, Workplace

MEMBER = "depth.png"
WEIGHT_DECAY = 0.01
CLIP = 35.0
SCALES = (1.0, 1.2)
RESOLUTION = 490
_LIN4 = 4


@dataclass
class _Shown:
    """Sum and number of the measured depths that training showed, for the prior."""

    total: float = 0.0
    pixels: int = 0


class LinearDepth:
    """The `depth` suite. Scores: rmse (metres), absRel, delta1 to 3, and priors: of the mean training depth everywhere.

    Source: Oquab et al., "DINOv2" (2023), section on depth, and its settings of NYUv2: AdamW over 38,400 steps of 16 images,
    decay 0.01, gradients clipped at 35, test images averaged with their mirror images.
    """

    kind = "depth"
    version = 2

    def __init__(self, spec: DepthSuite) -> None:
        self._spec = spec

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution or RESOLUTION

    def data_digest(self, place: Workplace) -> str:
        """Over ids, places and sizes of all images and maps; no pixel is read."""
        return maps_digest(place.storage, [self._spec.train, self._spec.test], MEMBER)

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        place.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="depth-", dir=place.scratch) as folder:
            return self._run(encoder, place, Path(folder))

    def _run(self, encoder: Encoder, place: Workplace, folder: Path) -> Outcome:
        spec, began, shown = self._spec, time.monotonic(), _Shown()
        train, test = (open_maps(place.storage, uri, MEMBER) for uri in (spec.train, spec.test))
        several = spec.variant == "lin4"
        layers = spread_layers(encoder.depth, _LIN4) if several else last_layers(encoder.depth, 1)
        # The published heads read the residual stream before the final norm.
        reading = Reading(layers, normed=False, with_cls=True)
        head = DepthHead(reading.width(encoder), spec.min_depth, spec.max_depth, spec.seed).to(place.device)
        batches = self._in_metres(self._batches(encoder, reading, train, place, folder), shown)
        recipe = Recipe(spec.steps, spec.learning_rate, WEIGHT_DECAY, warm_third_of_cosine, CLIP)
        losses = fit(head, batches, depth_loss, recipe, place.device, partial(place.progress, "head steps"))
        if not shown.pixels:
            raise UserError(
                f"spec.evaluation.suites.depth.train {spec.train} has no pixel between minDepth {spec.min_depth} and "
                f"maxDepth {spec.max_depth} metres; set unit to the metres of one step of its values"
            )
        trained = time.monotonic()
        mean = shown.total / shown.pixels
        found, predictions = self._scored(encoder, reading, head, test, mean, place)
        details = {
            "trainImages": len(train),
            "layers": list(layers),
            "meanTrainDepth": mean,
            "imagesWithoutMeasurement": len(test) - len(predictions),
            "firstLoss": losses[0],
            "lastLoss": float(np.mean(losses[-10:])),
            "seconds": {"training": trained - began, "scoring": time.monotonic() - trained},
        }
        return Outcome(found, len(predictions), predictions, details)

    def _batches(
        self, encoder: Encoder, reading: Reading, images: MapSet, place: Workplace, folder: Path
    ) -> Batches:
        spec = self._spec
        sampling = Sampling(spec.batch_size, spec.seed, SCALES, 0, lambda image: image)
        progress = partial(place.progress, "training images")
        return training_batches(encoder, reading, images, sampling, spec.augment, folder, progress)

    def _in_metres(self, batches: Batches, shown: _Shown) -> Batches:
        """Values as metres, 0 where a pixel has no measurement between the bounds."""
        spec = self._spec
        for features, values in batches:
            metres = values.float() * spec.unit
            metres[(metres < spec.min_depth) | (metres > spec.max_depth)] = 0
            shown.total += float(metres.sum(dtype=torch.float64))
            shown.pixels += int((metres > 0).sum())
            yield features, metres

    def _scored(
        self,
        encoder: Encoder,
        reading: Reading,
        head: DepthHead,
        images: MapSet,
        mean: float,
        place: Workplace,
    ) -> tuple[dict[str, float], list[dict[str, Any]]]:
        spec = self._spec
        ours: list[dict[str, float]] = []
        constant: list[dict[str, float]] = []
        predictions: list[dict[str, Any]] = []
        for number in range(len(images)):
            (image,) = images.read([number])
            truth = image.values.astype(np.float64) * spec.unit
            counts = scored_pixels(truth, spec.min_depth, spec.max_depth, spec.eigen_crop)
            if counts.any():
                outputs = partial(outputs_at, encoder, reading, head, device=place.device)
                depth = averaged(outputs, image.pixels, (1.0,), True, lambda metres: metres)[0]
                found: NDArray[np.float64] = depth.double().cpu().numpy()[counts]
                ours.append(image_scores(found.clip(spec.min_depth, spec.max_depth), truth[counts]))
                constant.append(image_scores(np.full_like(found, mean), truth[counts]))
                predictions.append({"id": image.sample_id, "pixels": int(counts.sum()), **ours[-1]})
            place.progress("test images", number + 1, len(images))
        if not ours:
            raise UserError(
                f"spec.evaluation.suites.depth.test {spec.test} has no pixel to score between minDepth {spec.min_depth} "
                f"and maxDepth {spec.max_depth} metres; set unit to the metres of one step of its values"
            )
        priors = {f"prior_{name}": value for name, value in mean_scores(constant).items()}
        return {**mean_scores(ours), **priors}, predictions
