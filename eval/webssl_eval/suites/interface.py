"""What a suite is: settings and an encoder in, scores and single predictions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from webssl_trainer.storage import Storage

from webssl_eval.encoders import Encoder
from webssl_eval.features import Progress


@dataclass(frozen=True)
class Workplace:
    """What a suite runs with.

    storage: where data sets are. scratch: a folder for large temporary files. device: where networks run.
    progress: told what is done.
    """

    storage: Storage
    scratch: Path
    device: torch.device
    progress: Progress


@dataclass(frozen=True)
class Outcome:
    """What a suite found.

    Attributes:
        scores: by metric, in per cent where `webssl_api.reports.UNITS` names no unit; the prior stands beside the score.
        questions: number of questions or test images that were scored.
        predictions: one JSON object per question or test image, in a fixed order.
        details: anything else worth keeping in scores.json (counts, settings, seconds).
        files: further files by name, such as tables and pictures; they are written beside the predictions.
    """

    scores: Mapping[str, float]
    questions: int
    predictions: Sequence[Mapping[str, Any]]
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Suite(Protocol):
    """One suite with its settings. Made by `registry.suite_for`."""

    @property
    def kind(self) -> str:
        """Name of the suite's kind."""
        ...

    @property
    def version(self) -> int:
        """Version of its scoring: raised whenever equal inputs would give other scores."""
        ...

    @property
    def resolution(self) -> int | None:
        """Side of the images in pixels that its settings ask for; None for the run's own."""
        ...

    def data_digest(self, place: Workplace) -> str:
        """Digest of the data sets and models that it scores with; cheap beside a run of the suite.

        Raises:
            UserError: the data is missing or malformed.
        """
        ...

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """Score the encoder.

        Raises:
            UserError: the data, a setting or the language model is wrong.
        """
        ...
