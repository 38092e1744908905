"""The `alignment` suite from pairs to the table of all layers."""

from __future__ import annotations

import hashlib
import json
import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation_probes import AlignmentSuite
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.language_models import identity_of, load_language_model, local_folder
from webssl_eval.suites.alignment.heat_map import heat_map
from webssl_eval.suites.alignment.layers import language_layers, vision_layers
from webssl_eval.suites.alignment.mutual_knn import alignment_table, neighbours_of_layers
from webssl_eval.suites.alignment.pairs import Pairs, open_pairs
from webssl_eval.suites.interface import Outcome, Workplace

TABLE_FILE, PICTURE_FILE = "alignment.json", "alignment.png"


class LanguageAlignment:
    """The `alignment` suite. Scores: alignment (largest share over all pairs of layers), and prior (k / (N - 1), by chance)."""

    kind = "alignment"
    version = 1

    def __init__(self, spec: AlignmentSuite) -> None:
        self._spec = spec

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution

    def data_digest(self, place: Workplace) -> str:
        """Over ids and captions, the places of the images, and the language model's identity; no pixel is read."""
        parts = [self._pairs(place).digest, identity_of(self._spec.language_model)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        spec, began, pairs = self._spec, time.monotonic(), self._pairs(place)
        folder = local_folder(spec.language_model, place.storage, place.scratch)
        model = load_language_model(folder, place.device)
        texts = language_layers(model, pairs.captions, spec.max_tokens, partial(place.progress, "captions"))
        images = vision_layers(encoder, pairs, partial(place.progress, "images"))
        read = time.monotonic()
        seen = neighbours_of_layers(images.to(place.device), spec.k)
        told = neighbours_of_layers(texts.to(place.device), spec.k)
        table = alignment_table(seen, told)
        vision, language = (int(at) for at in np.unravel_index(int(table.argmax()), table.shape))
        details = {
            "k": spec.k,
            "bestVisionBlock": vision,
            "bestLanguageLayer": language,
            "visionBlocks": table.shape[0],
            "languageLayers": table.shape[1],
            "languageModel": identity_of(spec.language_model),
            "seconds": {"features": read - began, "neighbours": time.monotonic() - read},
        }
        scores = {"alignment": 100 * float(table.max()), "prior": 100 * spec.k / (len(pairs) - 1)}
        predictions = _predictions(pairs, seen[vision], told[language])
        title = f"mutual {spec.k}-NN of {len(pairs)} pairs: {table.max():.3f}"
        picture = heat_map(table, title, "vision block", "language layer")
        files = {TABLE_FILE: table_file(table), PICTURE_FILE: picture}
        return Outcome(scores, len(pairs), predictions, details, files)

    def _pairs(self, place: Workplace) -> Pairs:
        pairs = open_pairs(place.storage, self._spec.pairs, self._spec.max_pairs)
        if len(pairs) <= self._spec.k:
            raise UserError(
                f"spec.evaluation.suites.alignment.pairs {self._spec.pairs} has {len(pairs)} pairs, too few for k "
                f"{self._spec.k}; lower k, or add pairs"
            )
        return pairs


def table_file(table: NDArray[np.float64]) -> bytes:
    """Shares of all pairs of layers as JSON: a row for each vision block, a column for each language layer."""
    return json.dumps(
        {"rows": "vision block", "columns": "language layer", "shares": table.tolist()}
    ).encode()


def _predictions(pairs: Pairs, seen: Tensor, told: Tensor) -> list[dict[str, Any]]:
    """For every pair its neighbours by image and by caption in the best layers, and the share that both have."""
    return [
        {
            "id": key,
            "caption": caption,
            "byImage": [pairs.ids[number] for number in ours],
            "byCaption": [pairs.ids[number] for number in theirs],
            "share": len(set(ours) & set(theirs)) / len(ours),
        }
        for key, caption, ours, theirs in zip(
            pairs.ids, pairs.captions, seen.tolist(), told.tolist(), strict=True
        )
    ]
