"""The `zeroshot` suite from pairs and labelled images to scores."""

from __future__ import annotations

import hashlib
import json
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from webssl_api.evaluation_zeroshot import ImageProjection, ZeroshotSuite
from webssl_trainer.data import LabelledSet, open_labelled
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel
from webssl_trainer.objectives.clip import text_tower
from webssl_trainer.objectives.clip.config import BUILT_IN
from webssl_trainer.objectives.clip.tokenizer import Tokenizer, tokenizer_for
from webssl_trainer.storage import StorageNotFoundError

from webssl_eval.encoders import Encoder
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.labelled_sources import labelled_digest
from webssl_eval.suites.zeroshot.captioned import Captioned, open_captioned
from webssl_eval.suites.zeroshot.classification import (
    class_predictions,
    class_scores,
    classify,
    labelled_readings,
)
from webssl_eval.suites.zeroshot.kept import TowerShelf, tower_bytes
from webssl_eval.suites.zeroshot.prompts import class_sentences, classes_of, ensemble, templates_of
from webssl_eval.suites.zeroshot.readings import PairReadings, fingerprint, moments, pair_readings
from webssl_eval.suites.zeroshot.retrieval import captions_of, retrieve
from webssl_eval.suites.zeroshot.tower import LockedTower, build_tower, image_features, text_features
from webssl_eval.suites.zeroshot.training import Recipe, Training

_HERE = "spec.evaluation.suites.zeroshot"
_ASKED = {"test", "test_pairs", "class_names", "prompts"}
"""Settings that training does not depend on."""


class ZeroShot:
    """The `zeroshot` suite. Scores: top1, top5, prior and chance where `test` is named; imageToTextR1, R5, R10 and
    textToImageR1, R5, R10, each with a prior_, where `testPairs` is."""

    kind = "zeroshot"
    version = 1

    def __init__(self, spec: ZeroshotSuite) -> None:
        self._spec = spec
        self._test_set: LabelledSet | None = None

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution

    def data_digest(self, place: Workplace) -> str:
        """Over URLs and sizes of the pairs' files, ids and classes of the labelled images, and the bytes of name, template,
        tokenizer and caption files; no pixel is read."""
        spec = self._spec
        parts = [self._pairs(place).digest]
        if spec.test is not None:
            parts.append(labelled_digest(place.storage, [spec.test]))
            self._sentences(place, self._tokenizer(place))
        if spec.test_pairs is not None:
            parts.append(self._test_pairs(place).digest)
        for source in (spec.class_names, spec.prompts, self._tokenizer_file):
            parts.append(
                "" if source is None else hashlib.sha256(_file(place, source, source) or b"").hexdigest()
            )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        spec, began = self._spec, time.monotonic()
        parallel = Parallel(place.device, bf16=place.device.type == "cuda")
        tokenizer = self._tokenizer(place)
        pairs = self._pairs(place)
        readings = self._readings(encoder, pairs, place, "pairs")
        if len(readings) < spec.batch_size:
            raise UserError(
                f"{_HERE}.pairs {spec.pairs} has {len(readings)} pairs that can be used ({readings.broken} images are "
                f"broken, {readings.blank} have no caption), fewer than batchSize {spec.batch_size}; lower batchSize, or add pairs"
            )
        read = time.monotonic()
        digest = self._training_digest(place, pairs, encoder)
        shelf = TowerShelf(place.storage, place.kept.folder if place.kept else None, digest)
        tower, losses, again = self._trained(readings, tokenizer, shelf, place, parallel)
        if not again:
            shelf.put_tower(tower_bytes(tower.state_dict(), digest, losses))
        trained = time.monotonic()
        details: dict[str, Any] = {
            "pairs": len(readings),
            "brokenImages": readings.broken,
            "pairsWithoutCaption": readings.blank,
            "epochs": spec.steps * spec.batch_size / len(readings),
            "losses": losses[:: max(1, len(losses) // 20)],
            "tower": shelf.url,
            "towerFoundAgain": again,
        }
        scores: dict[str, float] = {}
        predictions: list[dict[str, Any]] = []
        if spec.test is not None:
            predictions += self._classified(encoder, tower, tokenizer, place, parallel, scores, details)
        if spec.test_pairs is not None:
            predictions += self._retrieved(encoder, tower, tokenizer, place, parallel, scores, details)
        details["seconds"] = {
            "features": read - began,
            "training": trained - read,
            "scoring": time.monotonic() - trained,
        }
        return Outcome(scores, len(predictions), predictions, details)

    def _trained(
        self,
        readings: PairReadings,
        tokenizer: Tokenizer,
        shelf: TowerShelf,
        place: Workplace,
        parallel: Parallel,
    ) -> tuple[LockedTower, list[float], bool]:
        """The tower, the losses of its steps, and whether it was there already."""
        spec = self._spec
        tower = build_tower(
            text_tower(spec.text_tower.value, spec.context_length),
            tokenizer.vocabulary,
            moments(readings),
            spec.image_projection is ImageProjection.LINEAR,
            spec.loss.value,
            parallel,
            spec.seed,
        )
        known = shelf.tower()
        if known is not None:
            tower.load_state_dict(known[0])
            return tower.eval(), known[1], True
        recipe = Recipe(
            spec.steps, spec.batch_size, spec.learning_rate, spec.weight_decay, spec.loss.value, spec.seed
        )
        training = Training(tower, tokenizer, readings, recipe, parallel)
        state = shelf.state()
        if state is not None:
            training.restore(state)
        training.run(partial(place.progress, "steps of the text tower"), shelf.put_state)
        return tower.eval(), training.losses, False

    def _classified(
        self,
        encoder: Encoder,
        tower: LockedTower,
        tokenizer: Tokenizer,
        place: Workplace,
        parallel: Parallel,
        scores: dict[str, float],
        details: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Classify the labelled images; adds to scores and details, and gives the predictions."""
        names, rows, sentences = self._sentences(place, tokenizer)
        texts = torch.stack([text_features(tower, tokenizer, written, parallel) for written in sentences])
        images = self._labelled(place)
        read = labelled_readings(encoder, images, self._spec.reading, partial(place.progress, "test images"))
        answers = rows[read.labels]
        found = classify(
            image_features(tower, read.readings, parallel).to(place.device),
            ensemble(texts).to(place.device),
            answers,
        )
        scores |= class_scores(found, answers, len(names))
        details |= {
            "classes": len(names),
            "templates": len(sentences),
            "testImages": len(read.keys),
            "brokenTestImages": read.broken,
        }
        return class_predictions(read.keys, found, answers, names)

    def _retrieved(
        self,
        encoder: Encoder,
        tower: LockedTower,
        tokenizer: Tokenizer,
        place: Workplace,
        parallel: Parallel,
        scores: dict[str, float],
        details: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Retrieve held-out pairs; adds to scores and details, and gives the predictions."""
        source = f"{_HERE}.testPairs {self._spec.test_pairs}"
        read = self._readings(encoder, self._test_pairs(place), place, "held-out pairs")
        if read.broken:
            raise UserError(
                f"{source}: images that can not be decoded: {read.broken}, first {read.reason}; the score depends on their "
                "number: replace them, or remove their pairs"
            )
        if len(read) < 2:
            raise UserError(
                f"{source}: images with a caption: {len(read)}, without: {read.blank}; retrieval needs two or more"
            )
        captions = captions_of(read.captions)
        found = retrieve(
            image_features(tower, read.rows(slice(None)), parallel).to(place.device),
            text_features(tower, tokenizer, captions.texts, parallel).to(place.device),
            captions,
        )
        scores |= found.scores
        details |= {
            "testPairs": len(read),
            "testCaptions": sum(len(own) for own in read.captions),
            "distinctTestCaptions": len(captions.texts),
            "testPairsWithoutCaption": read.blank,
        }
        return found.predictions(read.keys)

    def _readings(self, encoder: Encoder, pairs: Captioned, place: Workplace, what: str) -> PairReadings:
        folder = place.scratch / "zeroshot"
        return pair_readings(encoder, pairs, self._spec.reading, folder, partial(place.progress, what))

    def _labelled(self, place: Workplace) -> LabelledSet:
        """The labelled images; their labels are read once."""
        if self._test_set is None:
            assert self._spec.test is not None
            self._test_set = open_labelled(place.storage, self._spec.test)
        return self._test_set

    def _pairs(self, place: Workplace) -> Captioned:
        spec = self._spec
        return open_captioned(place.storage, spec.pairs, spec.max_pairs, True, f"{_HERE}.pairs")

    def _test_pairs(self, place: Workplace) -> Captioned:
        assert self._spec.test_pairs is not None
        return open_captioned(place.storage, self._spec.test_pairs, None, False, f"{_HERE}.testPairs")

    def _sentences(
        self, place: Workplace, tokenizer: Tokenizer
    ) -> tuple[tuple[str, ...], NDArray[np.int64], list[list[str]]]:
        """Names of the classes, the place among them of each class number of the set (-1 where no image has it), and their
        sentences by template."""
        spec, images = self._spec, self._labelled(place)
        had = np.unique(images.labels)
        own = [images.class_names[number] for number in had]
        names = _file(place, spec.class_names, f"{_HERE}.classNames")
        classes = classes_of(
            names, own, f"{_HERE}.classNames {spec.class_names}" if spec.class_names else f"test {spec.test}"
        )
        rows = np.full(len(images.class_names), -1, dtype=np.int64)
        rows[had] = classes.rows
        written = _file(place, spec.prompts, f"{_HERE}.prompts")
        templates = templates_of(written, f"{_HERE}.prompts {spec.prompts}")
        return classes.names, rows, class_sentences(classes.names, templates, tokenizer)

    @property
    def _tokenizer_file(self) -> str | None:
        return None if self._spec.tokenizer in BUILT_IN else self._spec.tokenizer

    def _tokenizer(self, place: Workplace) -> Tokenizer:
        setting, file = f"{_HERE}.tokenizer", self._tokenizer_file
        data = _file(place, file, setting)
        files = {} if file is None or data is None else {file: data}
        return tokenizer_for(self._spec.tokenizer, self._spec.context_length, files, setting)

    def _training_digest(self, place: Workplace, pairs: Captioned, encoder: Encoder) -> str:
        """SHA-256 over all that the trained tower depends on."""
        settings = self._spec.model_dump(mode="json", exclude=_ASKED)
        tokenizer = _file(place, self._tokenizer_file, f"{_HERE}.tokenizer") or b""
        parts = {
            "version": self.version,
            "settings": settings,
            "tokenizer": hashlib.sha256(tokenizer).hexdigest(),
            "pairs": pairs.digest,
            "encoder": fingerprint(encoder, self._spec.reading),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file(place: Workplace, source: str | None, setting: str) -> bytes | None:
    """The bytes of a file that a setting names; None where it names none."""
    if source is None:
        return None
    try:
        return place.storage.read(source)
    except StorageNotFoundError as error:
        raise UserError(f"{setting} {source} is not there; write the file, or name another one") from error
