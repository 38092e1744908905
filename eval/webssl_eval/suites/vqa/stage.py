"""One stage of tuning, described so that any process can run it: a picklable order, and where its states lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from webssl_api.evaluation_vqa import VqaFeatures
from webssl_trainer.storage import Storage

from webssl_eval.encoders import Encoder
from webssl_eval.suites.vqa.recipe import Recipe

EncoderAt = Callable[[torch.device], Encoder]
"""Makes the encoder on a device; picklable, so that other processes can."""


@dataclass(frozen=True)
class Stage:
    """What one stage is.

    Attributes:
        number: 1 for the projector alone, 2 for projector and language model.
        recipe: how it learns.
        rows: folder of its training set, see `TrainingSet`.
        identity: all that its weights depend on, in flat fields.
        uri: where its states lie, `{checkpoint}/eval/tuning/{digest of the identity}`.
        before: where the final state of the stage before lies; None for stage 1.
    """

    number: int
    recipe: Recipe
    rows: Path
    identity: Mapping[str, Any]
    uri: str
    before: str | None


@dataclass(frozen=True)
class Course:
    """What all stages share.

    Attributes:
        language_model: local folder.
        chat: whether rows are put as chat messages, see `forms`.
        tokens: visual tokens of an image.
        max_length: positions of a sequence at the most.
        micro_batch: rows of a forward pass of one process, at first.
        save_every: steps between two saved states.
        features: settings of the cache.
        features_digest: digest of what the features depend on, images aside.
        kept: URL of the folder for what other suites use as well.
        storage: where states and images are.
        scratch: local folder of this pod.
        shard_above: parameters above which a language model that learns is cut over the processes instead of copied to each.
    """

    language_model: Path
    chat: bool
    tokens: int
    max_length: int
    micro_batch: int
    save_every: int
    features: VqaFeatures
    features_digest: str
    kept: str
    storage: Storage
    scratch: Path
    shard_above: int = 1_000_000_000
