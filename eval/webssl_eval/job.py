"""One suite on one checkpoint, from settings to the report."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
import torch
from webssl_api.reports import EvaluationReport
from webssl_trainer.reporting import Sink, SinkUnavailableError
from webssl_trainer.storage import Storage, join

from webssl_eval.encoders import Encoder
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_eval.features import Progress
from webssl_eval.results import (
    PREDICTIONS,
    Scores,
    answers_again,
    folder_of,
    known_scores,
    settings_digest,
    write_results,
)
from webssl_eval.settings import Settings
from webssl_eval.suites.interface import Suite, Workplace
from webssl_eval.suites.registry import suite_for

log = structlog.get_logger("webssl.eval")

EncoderOf = Callable[[Suite], Encoder]
_REPORT_TRIES = 12
_LONGEST_PAUSE = 30.0


def evaluate(
    settings: Settings, storage: Storage, device: torch.device, now: str, progress: Progress
) -> Scores:
    """The scores of the pinned checkpoint; those that are there already are not computed again.

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

    def encoder(suite: Suite) -> Encoder:
        spec, uri = settings.run.spec, settings.checkpoint_uri
        return checkpoint_encoder(storage, uri, manifest, spec, suite.resolution, device)

    place = Workplace(storage, settings.scratch, device, progress)
    return scores_of(settings, encoder, place, now)


def scores_of(settings: Settings, encoder_of: EncoderOf, place: Workplace, now: str) -> Scores:
    """Look for known scores, else make the encoder, run the suite and write the results."""
    suite = suite_for(settings.suite)
    folder = folder_of(settings.checkpoint_uri, settings.suite.key)
    data, wanted = suite.data_digest(place), settings_digest(settings.suite)
    known = known_scores(place.storage, folder)
    if known is not None and answers_again(known, settings.checkpoint_digest, suite.version, wanted, data):
        log.info("eval.known", suite=settings.suite.key, scores=dict(known.report.scores))
        return known
    encoder = encoder_of(suite)
    log.info(
        "eval.started", suite=settings.suite.key, encoder=encoder.name, checkpoint=settings.checkpoint_uri
    )
    outcome = suite.run(encoder, place)
    report = EvaluationReport(
        suite=settings.suite.key,
        kind=suite.kind,
        checkpoint_digest=settings.checkpoint_digest,
        scores={metric: round(value, 4) for metric, value in outcome.scores.items()},
        questions=outcome.questions,
        predictions_uri=join(folder, PREDICTIONS),
        suite_version=suite.version,
        time=now,
    )
    scores = Scores(
        report=report,
        settings_digest=wanted,
        data_digest=data,
        settings=settings.suite.to_dict(),
        details={**outcome.details, "encoder": encoder.name},
    )
    write_results(place.storage, folder, scores, outcome.predictions, outcome.files)
    log.info("eval.done", suite=report.suite, questions=report.questions, scores=dict(report.scores))
    return scores


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
