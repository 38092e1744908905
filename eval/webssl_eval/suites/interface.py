"""What a suite is: settings and an encoder in, scores and single predictions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from webssl_trainer.storage import Storage

from webssl_eval.encoders import Encoder
from webssl_eval.features import Progress
from webssl_eval.merging.part import WHOLE, Part


@dataclass(frozen=True)
class Kept:
    """What a suite needs in order to keep things beside the checkpoint for other suites and other pods, and to use several processes.

    Attributes:
        folder: URL, `{checkpoint}/eval`; what lies there below other names than a suite's is shared.
        digest: of the checkpoint.
        encoder_at: makes the encoder anew, by resolution (None for the run's own) and device; can be pickled to another process.
        processes: how many processes may train together on this machine: one a GPU.
    """

    folder: str
    digest: str
    encoder_at: Callable[[int | None, torch.device], Encoder]
    processes: int = 1


@dataclass(frozen=True)
class Workplace:
    """What a suite runs with.

    storage: where data sets are. scratch: a folder for large temporary files. device: where networks run.
    progress: told what is done. kept: see `Kept`; None where nothing outlives the suite. part: which questions are answered here.
    """

    storage: Storage
    scratch: Path
    device: torch.device
    progress: Progress
    kept: Kept | None = None
    part: Part = WHOLE


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


@runtime_checkable
class Divisible(Protocol):
    """A suite whose questions several pods may share. Its `run` answers those of `place.part`, and leaves out scores over a part."""

    def merge(self, parts: Sequence[Outcome], place: Workplace) -> Outcome:
        """What `run` finds for the whole, from the outcomes of all parts in their order. Equal parts give equal outcomes.

        Raises:
            UserError: the parts are not those of the same questions.
        """
        ...
