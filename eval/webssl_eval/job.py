"""One suite on one checkpoint, from settings to the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog
import torch
from webssl_api.reports import EvaluationReport
from webssl_trainer.errors import UserError
from webssl_trainer.reporting import Sink, SinkUnavailableError
from webssl_trainer.storage import Storage, join

from webssl_eval.encoder_pictures import PICTURE, Watched, picture_files
from webssl_eval.encoders import Encoder
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_eval.features import Progress
from webssl_eval.merging.stored import all_parts, part_folder, stored_part
from webssl_eval.results import (
    PREDICTIONS,
    Identity,
    Scores,
    folder_of,
    scores_again,
    write_history,
    write_results,
)
from webssl_eval.settings import Settings
from webssl_eval.suites.interface import Divisible, Kept, Outcome, Suite, Workplace
from webssl_eval.suites.registry import suite_for

log = structlog.get_logger("webssl.eval")

EncoderOf = Callable[[Suite], Encoder]
_REPORT_TRIES = 12
_LONGEST_PAUSE = 30.0


def evaluate(
    settings: Settings, storage: Storage, device: torch.device, now: str, progress: Progress
) -> Scores | None:
    """The scores of the pinned checkpoint; those that are there already are not computed again. None: see `scores_of`.

    Args:
        settings: what to do.
        storage: where checkpoint and data are.
        device: where networks run.
        now: the time to write into the report (RFC 3339).
        progress: told what is done.

    Raises:
        UserError: the checkpoint is not the pinned one or is damaged, or the suite's data or settings are wrong.
    """
    manifest = pinned_manifest(storage, settings.checkpoint_uri, settings.checkpoint_digest)
    settings = replace(settings, checkpoint_digest=manifest.digest)

    def encoder(suite: Suite) -> Encoder:
        spec, uri = settings.run.spec, settings.checkpoint_uri
        return checkpoint_encoder(storage, uri, manifest, spec, suite.resolution, device)

    # Children of this process make the encoder anew: it is given to them by what it is, not by its weights.
    encoder_at = partial(checkpoint_encoder, storage, settings.checkpoint_uri, manifest, settings.run.spec)
    kept = Kept(
        join(settings.checkpoint_uri, "eval"),
        settings.checkpoint_digest,
        encoder_at,
        max(1, torch.cuda.device_count()),
    )
    place = Workplace(storage, settings.scratch, device, progress, kept=kept, part=settings.part)
    return scores_of(settings, encoder, place, now)


def scores_of(settings: Settings, encoder_of: EncoderOf, place: Workplace, now: str) -> Scores | None:
    """Look for known scores, else make the encoder, run the suite and write the results.

    None from a pod that has answered its part while parts of other pods are missing: the one that finds all of them merges.
    """
    suite, name = suite_for(settings.suite), settings.suite.key
    wanted = Identity(
        settings.checkpoint_digest, suite.version, settings.suite.digest, suite.data_digest(place)
    )
    known = scores_again(place.storage, settings.checkpoint_uri, name, wanted)
    if known is not None:
        log.info("eval.known", suite=name, scores=dict(known.report.scores))
        return known
    folder = folder_of(settings.checkpoint_uri, name)
    asked = _Asked(settings, suite, wanted, now)
    if place.part.whole:
        outcome = _run(asked, encoder_of, place)
    else:
        merged = _merged(asked, encoder_of, place, folder)
        if merged is None:
            return None
        outcome = merged
    scores = _scores(asked, outcome, folder)
    write_results(place.storage, folder, scores, outcome.predictions, outcome.files)
    write_history(place.storage, settings.checkpoint_uri, scores)
    log.info("eval.done", suite=name, questions=scores.report.questions, scores=dict(scores.report.scores))
    return scores


@dataclass(frozen=True)
class _Asked:
    settings: Settings
    suite: Suite
    wanted: Identity
    now: str


def _run(asked: _Asked, encoder_of: EncoderOf, place: Workplace) -> Outcome:
    settings, encoder = asked.settings, encoder_of(asked.suite)
    log.info(
        "eval.started",
        suite=settings.suite.key,
        encoder=encoder.name,
        checkpoint=settings.checkpoint_uri,
        part=place.part.text,
    )
    watched = Watched(encoder)
    outcome = asked.suite.run(watched, place)
    files = {**picture_files(watched), **outcome.files}
    return replace(outcome, details={**outcome.details, "encoder": encoder.name}, files=files)


def _merged(asked: _Asked, encoder_of: EncoderOf, place: Workplace, folder: str) -> Outcome | None:
    """Answer this pod's part unless it is answered, then merge all parts if they are there."""
    suite, storage, part = asked.suite, place.storage, place.part
    if not isinstance(suite, Divisible):
        raise UserError(f"the questions of a {suite.kind} suite cannot be shared by {part.count} pods")
    if stored_part(storage, folder, part, asked.wanted) is None:
        mine, its_folder = _run(asked, encoder_of, place), part_folder(folder, part)
        write_results(storage, its_folder, _scores(asked, mine, its_folder), mine.predictions, mine.files)
    parts = all_parts(storage, folder, part.count, asked.wanted)
    if parts is None:
        log.info("eval.part_done", suite=asked.settings.suite.key, part=part.text)
        return None
    found = suite.merge(parts, place)
    drawn = {name: data for name, data in parts[0].files.items() if name == PICTURE}
    return replace(found, files={**drawn, **found.files})


def _scores(asked: _Asked, outcome: Outcome, folder: str) -> Scores:
    settings, wanted = asked.settings, asked.wanted
    report = EvaluationReport(
        suite=settings.suite.key,
        kind=asked.suite.kind,
        checkpoint_digest=settings.checkpoint_digest,
        scores={metric: round(value, 4) for metric, value in outcome.scores.items()},
        questions=outcome.questions,
        predictions_uri=join(folder, PREDICTIONS),
        suite_version=wanted.version,
        settings_digest=wanted.settings,
        data_digest=wanted.data,
        time=asked.now,
    )
    return Scores(
        report=report,
        settings_digest=wanted.settings,
        data_digest=wanted.data,
        settings=settings.suite.to_dict(),
        details=dict(outcome.details),
    )


def send(report: EvaluationReport, sink: Sink, pause: Callable[[float], None] = time.sleep) -> None:
    """Leave the report, patiently.

    Raises:
        SinkUnavailableError: the place stayed away; the scores are on storage, so that a retry only reports.
    """
    text = report.model_dump_json(by_alias=True, exclude_none=True)
    for number in range(_REPORT_TRIES):
        try:
            return sink.write(text)
        except SinkUnavailableError as error:
            if number == _REPORT_TRIES - 1:
                raise
            log.warning("eval.report_unavailable", error=str(error))
            pause(min(_LONGEST_PAUSE, 2.0**number))
    return None
