"""One worker pod, from its checks to its exit code."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import structlog
from torch.distributed.elastic.agent.server.api import WorkerSpec
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.rendezvous import (
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousParameters,
)
from webssl_api import exit_codes
from webssl_api.resolved import ResolvedRun

from webssl_trainer.config import TrainerConfig, read_run
from webssl_trainer.errors import UserError
from webssl_trainer.launch.agent import ElasticAgent, Grace
from webssl_trainer.launch.checks import check_run, check_storage
from webssl_trainer.launch.completion import deliver_completion, find_completion
from webssl_trainer.launch.restarts import Next
from webssl_trainer.launch.settings import LaunchSettings
from webssl_trainer.loop import entry
from webssl_trainer.loop.exits import CRASH
from webssl_trainer.loop.progress_file import read_progress
from webssl_trainer.observe import logs
from webssl_trainer.rendezvous import registry
from webssl_trainer.rendezvous.handler import BACKEND_NAME
from webssl_trainer.rendezvous.policy import Limits
from webssl_trainer.rendezvous.state import Progress
from webssl_trainer.reporting import sink_at
from webssl_trainer.storage import Storage, StorageUnavailableError, open_storage

log = structlog.get_logger("webssl.launch")
_DELIVERY_SECONDS = 60.0
_LAST_LINES = 3000
"""Bytes of an error that go into the termination message (Kubernetes keeps 4096)."""


def run(settings: LaunchSettings, scratch: Path, stop: threading.Event) -> int:
    """Run this pod until it is done or `stop` is set; the exit code is one of webssl_api.exit_codes, or 1 after repeated crashes."""
    logs.configure(settings.log_level, worker=settings.worker_id)
    # torch logs every end of a process as an error with a traceback of its own; the agent logs it once, with what follows.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        code, reason = run_pod(settings, scratch, stop)
    except UserError as error:
        code, reason = exit_codes.USER_ERROR, str(error)
    except StorageUnavailableError as error:
        code, reason = exit_codes.RETRY, str(error)
    if reason:
        log.error("launch.failed", exit_code=code, reason=reason)
        _leave_reason(settings.termination_log, reason)
    log.info("launch.ended", exit_code=code)
    return code


def run_pod(settings: LaunchSettings, scratch: Path, stop: threading.Event) -> tuple[int, str]:
    """Exit code, and the reason when it is a failure."""
    run = read_run(settings.run_file)
    config, limits = check_run(run)
    storage = open_storage(config.storage)
    check_storage(storage, config)
    while not stop.is_set():
        if (code := complete(settings, storage, config)) is not None:
            return code, "" if code == exit_codes.COMPLETE else "the last report could not be delivered"
        outcome = train(settings, run, limits, scratch, stop)
        if outcome is Next.USER_ERROR:
            return exit_codes.USER_ERROR, _reason(scratch)
        if outcome is Next.GIVE_UP:
            return CRASH, _reason(scratch)
        if outcome is None:
            break
    return exit_codes.RETRY, ""


def complete(settings: LaunchSettings, storage: Storage, config: TrainerConfig) -> int | None:
    """Exit code of a pod whose run is complete, None when there is more to train."""
    final = find_completion(storage, config)
    if final is None:
        return None
    delivered = deliver_completion(sink_at(settings.report), final, config.checkpoint_uri, _DELIVERY_SECONDS)
    return exit_codes.COMPLETE if delivered else exit_codes.RETRY


def train(
    settings: LaunchSettings, run: ResolvedRun, limits: Limits, scratch: Path, stop: threading.Event
) -> Next | None:
    """One life of the elastic agent; None after a stop. COMPLETE means: look whether the run is complete."""
    progress_file = scratch / "progress"
    parameters = RendezvousParameters(
        backend=BACKEND_NAME,
        endpoint=settings.rendezvous,
        run_id=run.uid or run.name,
        min_nodes=limits.minimum,
        max_nodes=limits.maximum,
        local_addr=settings.address,
        slot=settings.slot,
        node_name=settings.worker_id,
        last_call=settings.last_call,
        beat=settings.beat,
        poll=settings.poll,
    )
    handler = registry.create(
        parameters, limits.allowed, lambda: Progress(*read_progress(progress_file)), stop
    )
    spec = WorkerSpec(
        role="trainer",
        local_world_size=run.spec.workers.processes_per_worker,
        entrypoint=entry.run,
        rdzv_handler=handler,
        max_restarts=1_000_000_000,  # failures are counted by the operator
        monitor_interval=0.2,
    )
    grace = Grace(stop=max(5.0, run.spec.workers.template.termination_grace_period_seconds - 5.0))
    agent = ElasticAgent(spec, DefaultLogsSpecs(log_dir=str(scratch)), handler, progress_file, grace, stop)
    try:
        handler.reopen()
        return agent.supervise()
    except RendezvousClosedError:
        return Next.COMPLETE
    except RendezvousGracefulExitError as error:
        log.info("launch.left", reason=str(error))
        return None
    finally:
        handler.shutdown()


def _reason(scratch: Path) -> str:
    found = sorted(scratch.glob("error-*"))
    return found[0].read_text() if found else "a training process ended without saying why"


def _leave_reason(path: Path, reason: str) -> None:
    """The end of the reason in the pod's termination message, where the kubelet made a file for it."""
    if path.exists():
        path.write_bytes(reason.encode()[-_LAST_LINES:])
