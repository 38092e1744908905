"""Results in `{checkpoint}/eval/{suite}/`: `predictions.jsonl` and other files, then `scores.json`. Not in the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError
from webssl_api.reports import EvaluationReport
from webssl_api.status import StatusModel
from webssl_trainer.checkpoint.layout import split_address
from webssl_trainer.storage import Storage, StorageNotFoundError, join

EVAL = "eval"
SCORES = "scores.json"
PREDICTIONS = "predictions.jsonl"
HISTORY = "evaluations"
"""Folder below the run's: the scores of every checkpoint, those included that are deleted by now."""


@dataclass(frozen=True)
class Identity:
    """What scores belong to. Of equal identities, one is computed.

    checkpoint: its digest. version: of the suite's scoring. settings, data: digests of the suite's settings and of its data.
    """

    checkpoint: str
    version: int
    settings: str
    data: str


class Scores(StatusModel):
    """`scores.json`: the report, and what makes it valid for a later question."""

    report: EvaluationReport
    """What is reported."""

    settings_digest: str
    """Digest of the suite's settings in the manifest, its name and number of pods aside."""

    data_digest: str
    """Digest of the data sets and models that were scored with."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """The suite's settings, for people."""

    details: dict[str, Any] = Field(default_factory=dict)
    """Counts and seconds, for people."""

    @property
    def identity(self) -> Identity:
        """What they belong to."""
        report = self.report
        return Identity(
            report.checkpoint_digest, report.suite_version, self.settings_digest, self.data_digest
        )


def folder_of(checkpoint_uri: str, suite: str) -> str:
    """URL of the folder of a suite's results."""
    return join(checkpoint_uri, EVAL, suite)


def known_scores(storage: Storage, folder: str) -> Scores | None:
    """The scores in a folder; None when there are none, or nothing readable."""
    try:
        return Scores.model_validate_json(storage.read(join(folder, SCORES)))
    except StorageNotFoundError:
        return None
    except ValidationError:
        return None


def scores_again(storage: Storage, checkpoint_uri: str, suite: str, wanted: Identity) -> Scores | None:
    """Scores beside the checkpoint that need not be computed again: of this suite, or of one that is the same but for its name."""
    known = known_scores(storage, folder_of(checkpoint_uri, suite))
    if known is not None and known.identity == wanted:
        return known
    root = join(checkpoint_uri, EVAL)
    for info in storage.list_objects(root):
        folder, _, name = info.url.rpartition("/")
        parent, _, other = folder.rpartition("/")
        if name == SCORES and parent.endswith(f"/{EVAL}") and other != suite:
            found = known_scores(storage, join(root, other))
            if found is not None and found.identity == wanted:
                return found.model_copy(update={"report": found.report.model_copy(update={"suite": suite})})
    return None


def write_history(storage: Storage, checkpoint_uri: str, scores: Scores) -> None:
    """A copy of the scores that stays when the checkpoint goes, below the folder of its run if it has one."""
    run, key = split_address(checkpoint_uri)
    if key is None:
        return
    digest, suite = scores.report.checkpoint_digest[:8], scores.report.suite
    text = json.dumps(scores.to_dict(), indent=1, ensure_ascii=False)
    name = f"step-{key.step:012d}-{digest}"
    storage.put(join(run, HISTORY, name, f"{suite}.json"), text.encode())


def write_results(
    storage: Storage,
    folder: str,
    scores: Scores,
    predictions: Iterable[Mapping[str, Any]],
    files: Mapping[str, bytes],
) -> None:
    """Write the predictions and further files, then the scores: scores that are there have all of it."""
    lines = [json.dumps(line, ensure_ascii=False) for line in predictions]
    storage.put(join(folder, PREDICTIONS), "".join(f"{line}\n" for line in lines).encode())
    for name, data in files.items():
        storage.put(join(folder, name), data)
    text = json.dumps(scores.to_dict(), indent=1, ensure_ascii=False)
    storage.put(join(folder, SCORES), text.encode())
