"""One pod of a pass, from its file to its exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError
from webssl_api import exit_codes
from webssl_api.curation import ResolvedCuration
from webssl_api.curation_status import CurationReport

from webssl_trainer.curation.counting import Count
from webssl_trainer.curation.engine_threads import score_shards
from webssl_trainer.curation.finish import Finished, finish
from webssl_trainer.curation.opening import open_index, open_pass
from webssl_trainer.curation.parts import Parts
from webssl_trainer.curation.ranges import shards_of
from webssl_trainer.curation.settings import CurationSettings
from webssl_trainer.errors import UserError
from webssl_trainer.observe import logs
from webssl_trainer.reporting import BackgroundReporter, sink_at
from webssl_trainer.storage import StorageOptions, StorageUnavailableError, open_storage

log = structlog.get_logger("webssl.curation")
_DELIVERY_SECONDS = 60.0
_INTERVAL, _REPORTS_A_SECOND = 5.0, 10
_LAST_BYTES = 3000


def run(settings: CurationSettings, stop: threading.Event) -> int:
    """Do what this pod is for until it is done or `stop` is set; one of webssl_api.exit_codes."""
    logs.configure(settings.log_level, action=settings.action, range=settings.number)
    reporter = BackgroundReporter(sink_at(settings.report_at), _interval(settings.curation_file))
    told = CurationReport()

    def tell(report: CurationReport) -> None:
        nonlocal told
        told = report
        reporter.report(report)

    try:
        done = _done(settings, stop, tell)
        code, reason = (exit_codes.COMPLETE, "") if done else (exit_codes.RETRY, "")
    except UserError as error:
        code, reason = exit_codes.USER_ERROR, str(error)
    except StorageUnavailableError as error:
        code, reason = exit_codes.RETRY, str(error)
    if reason:
        log.error("curation.failed", exit_code=code, reason=reason)
        reporter.report(told.model_copy(update={"message": reason}), urgent=True)
        if settings.termination_log.exists():
            settings.termination_log.write_bytes(reason.encode()[-_LAST_BYTES:])
    if not reporter.flush(_DELIVERY_SECONDS) and code == exit_codes.COMPLETE:
        code = exit_codes.RETRY  # what nobody was told is not done; all of it is found again
    log.info("curation.ended", exit_code=code, shards=told.shards_done, rows=told.rows)
    return code


def _interval(path: Path) -> float:
    """Seconds between two reports: all pods together write a ConfigMap at most ten times a second."""
    try:
        return max(_INTERVAL, read_curation(path).spec.parallelism / _REPORTS_A_SECOND)
    except UserError:  # which the pod is about to say
        return _INTERVAL


def read_curation(path: Path) -> ResolvedCuration:
    """The file of a pod. Raises UserError when it is missing or says something the API does not allow."""
    try:
        return ResolvedCuration.from_yaml(path.read_text())
    except OSError as error:
        raise UserError(f"curation file {path} can not be read: {error}; mount it there") from error
    except ValidationError as error:
        raise UserError(f"curation file {path} is not valid: {error}") from error


def _done(settings: CurationSettings, stop: threading.Event, tell: Callable[[CurationReport], None]) -> bool:
    spec = read_curation(settings.curation_file).spec
    options = StorageOptions.from_env(endpoint=spec.data.storage.endpoint, region=spec.data.storage.region)
    storage = open_storage(options)
    parts = open_pass(storage, spec, settings.scratch, open_index(storage, spec))
    if settings.action == "score":
        shards = shards_of(parts.index.shard_counts, settings.number, spec.ranges)
        count = _count(parts, shards, tell)
        return score_shards(
            parts, shards, settings.threads, spec.data.max_pixels, spec.max_bad_share, count, stop.is_set
        )
    count = _count(parts, range(len(parts.index.shards)), tell)
    if settings.action == "ray":
        from webssl_trainer.curation.engine_ray import RaySession, score_with_ray

        gpus = float(spec.template.resources.limits.get("nvidia.com/gpu", 0))
        with RaySession(spec.parallelism):
            if not score_with_ray(spec, parts, options, spec.parallelism, count, stop.is_set, gpus=gpus):
                return False
    made = finish(parts, spec, settings.scratch)
    tell(finished_report(parts, made, count.now()))
    return True


def _count(parts: Parts, shards: range, tell: Callable[[CurationReport], None]) -> Count:
    samples = int(parts.index.shard_counts[shards.start : shards.stop].sum())
    return Count(len(shards), samples, tell)


def finished_report(parts: Parts, made: Finished, now: str) -> CurationReport:
    """The last report of a pass."""
    manifest = made.manifest
    return CurationReport(
        shards_done=len(parts.index.shards),
        shards_total=len(parts.index.shards),
        samples=manifest.rows,
        samples_total=len(parts.index),
        rows=manifest.rows,
        failures=manifest.failures,
        finished=True,
        table_uri=made.uri,
        table_digest=manifest.digest,
        time=now,
    )
