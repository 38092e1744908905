"""Results in `{checkpoint}/eval/{suite}/`: `predictions.jsonl` and other files, then `scores.json`. Not in the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field, ValidationError
from webssl_api.evaluation import SuiteSpec
from webssl_api.reports import EvaluationReport
from webssl_api.status import StatusModel
from webssl_trainer.storage import Storage, StorageNotFoundError, join

SCORES = "scores.json"
PREDICTIONS = "predictions.jsonl"


class Scores(StatusModel):
    """`scores.json`: the report, and what makes it valid for a later question."""

    report: EvaluationReport
    """What is reported."""

    settings_digest: str
    """Digest of the suite's settings in the manifest."""

    data_digest: str
    """Digest of the data sets and models that were scored with."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """The suite's settings, for people."""

    details: dict[str, Any] = Field(default_factory=dict)
    """Counts and seconds, for people."""


def folder_of(checkpoint_uri: str, suite: str) -> str:
    """URL of the folder of a suite's results."""
    return join(checkpoint_uri, "eval", suite)


def settings_digest(spec: SuiteSpec) -> str:
    """SHA-256 of a suite's settings, defaults included."""
    text = json.dumps(spec.to_dict(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def known_scores(storage: Storage, folder: str) -> Scores | None:
    """The scores in a folder; None when there are none, or nothing readable."""
    try:
        return Scores.model_validate_json(storage.read(join(folder, SCORES)))
    except StorageNotFoundError:
        return None
    except ValidationError:
        return None


def answers_again(known: Scores, checkpoint: str, version: int, settings: str, data: str) -> bool:
    """Whether known scores are those of this checkpoint, version of the suite, settings and data."""
    return (
        known.report.checkpoint_digest,
        known.report.suite_version,
        known.settings_digest,
        known.data_digest,
    ) == (
        checkpoint,
        version,
        settings,
        data,
    )


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
