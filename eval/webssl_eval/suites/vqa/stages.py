"""From the suite's settings to the stages of its tuning. Pure, but for the names of folders."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webssl_api.evaluation_vqa import VqaSuite
from webssl_trainer.storage import Storage, join

from webssl_eval.suites.vqa.recipe import WARM_UP, Recipe
from webssl_eval.suites.vqa.saved import TUNING, digest_of
from webssl_eval.suites.vqa.stage import Stage
from webssl_eval.suites.vqa.training_set import Source, TrainingSet, write_set

VERSION = 1
"""Raised whenever equal settings would be tuned to other weights."""


@dataclass(frozen=True)
class Sets:
    """Training sets of both stages (the same one, where stage 2 names none), and the counts of stage 1's short answers.

    folder: holds them; it is removed with the object that made it.
    """

    folder: tempfile.TemporaryDirectory[str]
    first: TrainingSet
    second: TrainingSet
    answers: Counter[tuple[str, str]]

    @property
    def is_chat(self) -> bool:
        """Whether there are conversations."""
        return self.first.is_chat or self.second.is_chat

    def close(self) -> None:
        """Remove what is on disk."""
        self.first.close()
        self.second.close()
        self.folder.cleanup()


def read_sets(storage: Storage, spec: VqaSuite, scratch: Path) -> Sets:
    """Read the training files once, to a folder on scratch.

    Raises:
        UserError: a file is missing or malformed, or names an image that does not exist.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory(prefix="vqa-sets-", dir=scratch)
    sources = sources_of(spec)
    first, answers = write_set(storage, sources[0], Path(folder.name) / "stage-1")
    second = first
    if sources[1] != sources[0]:
        second, _ = write_set(storage, sources[1], Path(folder.name) / "stage-2")
    return Sets(folder, first, second, answers)


def sources_of(spec: VqaSuite) -> tuple[Source, Source]:
    """Where the rows of stage 1 and stage 2 come from."""
    first = Source(spec.train, spec.images)
    if spec.stage2 is None or spec.stage2.train is None:
        return first, first
    return first, Source(spec.stage2.train, spec.stage2.images)


def features_identity(spec: VqaSuite, checkpoint: str, encoder: str) -> dict[str, Any]:
    """What an image's visual tokens depend on."""
    return {
        "version": VERSION,
        "checkpoint": checkpoint,
        "encoder": encoder,
        "resolution": spec.resolution,
        "layer": spec.layer,
        "visualTokens": spec.visual_tokens,
    }


def stages_of(
    spec: VqaSuite, sets: Sets, chat: bool, language_model: str, features: dict[str, Any], kept: str
) -> tuple[Stage, ...]:
    """The stages in their order: one, or two.

    Args:
        spec: the settings.
        sets: what is learned from.
        chat: whether rows are put as chat messages.
        language_model: what stands for the language model's files.
        features: see `features_identity`.
        kept: URL, `{checkpoint}/eval`.
    """
    recipe = Recipe(spec.steps, spec.batch_size, spec.learning_rate, spec.seed, WARM_UP[1])
    form = {"chat": chat, "maxLength": spec.max_length, "languageModel": language_model}
    identity = {**features, **form, **_identity(recipe, sets.first)}
    stages = [_stage(1, recipe, sets.first, identity, kept, None)]
    if spec.stage2 is not None:
        second = spec.stage2
        recipe = Recipe(second.steps, second.batch_size, second.learning_rate, spec.seed, WARM_UP[2])
        identity = {"after": digest_of(identity), **_identity(recipe, sets.second)}
        stages.append(_stage(2, recipe, sets.second, identity, kept, stages[0].uri))
    return tuple(stages)


def _identity(recipe: Recipe, rows: TrainingSet) -> dict[str, Any]:
    return {
        "rows": rows.digest,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "learningRate": recipe.learning_rate,
        "warmUp": recipe.warm_up,
        "seed": recipe.seed,
    }


def _stage(
    number: int, recipe: Recipe, rows: TrainingSet, identity: dict[str, Any], kept: str, before: str | None
) -> Stage:
    uri = join(kept, TUNING, digest_of(identity))
    return Stage(number, recipe, rows.folder, identity, uri, before)
