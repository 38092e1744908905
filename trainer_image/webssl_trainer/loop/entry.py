"""One training process: what the elastic agent starts on every rank."""

from __future__ import annotations

import gc
import os
import sys
import traceback

import structlog
import torch.distributed as dist
from webssl_api import exit_codes
from webssl_api.evaluation_orders import ORDERS_KEY
from webssl_api.reports import TrainingReport

from webssl_trainer.checkpoint.holds import Holds
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.loop.environment import Environment, read_environment
from webssl_trainer.loop.exits import CRASH, exit_code_of
from webssl_trainer.loop.leash import tie_to_parent
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.pictures import Pictures
from webssl_trainer.loop.processes import join_processes
from webssl_trainer.loop.profiling import step_profiler, watch_for_requests
from webssl_trainer.loop.session import open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop, quarantine_of
from webssl_trainer.observe import logs
from webssl_trainer.observe.metrics import TrainerMetrics
from webssl_trainer.reporting import BackgroundReporter, sink_at
from webssl_trainer.reporting.reporter import last_report
from webssl_trainer.storage import open_storage

log = structlog.get_logger("webssl.loop")
_LEFTOVER_SECONDS = 10.0
"""How long a process that is done waits for pictures and traces on their way."""


def main() -> int:
    """Train in the round that the environment describes; the exit code. Leaves the reason of a failure in the error file."""
    environment = read_environment(os.environ)
    logs.configure(os.environ.get("WEBSSL_LOG_LEVEL", "info"), rank=environment.rank)
    environment.error_file.unlink(missing_ok=True)
    stop = StopRequest()
    stop.install()
    tie_to_parent()
    try:
        return train(environment, stop)
    except Exception as error:
        code = exit_code_of(error)
        if code == CRASH:
            traceback.print_exc()
        log.error("process.failed", exit_code=code, error=f"{type(error).__name__}: {error}")
        environment.error_file.write_text(str(error) if code != CRASH else traceback.format_exc())
        return code


def train(environment: Environment, stop: StopRequest) -> int:
    """Build everything from the run file and train."""
    config = trainer_config(read_run(environment.run_file))
    processes = join_processes(environment.rank, environment.world, environment.local_rank)
    reporter = metrics = None
    seen = environment.seen
    if processes.peers.leads:
        sink = sink_at(environment.report)
        seen = _furthest(seen, last_report(sink))
        reporter = BackgroundReporter(sink)
        metrics = TrainerMetrics()
        metrics.serve(environment.metrics_port)
    session = open_session(config, processes, open_storage(config.storage), seen)
    if processes.peers.leads:
        orders = environment.run_file.with_name(ORDERS_KEY)
        session.saver.holds = Holds(session.storage, config.checkpoint_uri, orders)
    structlog.contextvars.bind_contextvars(attempt=session.start.claim.attempt)
    progress = environment.progress_file if environment.local_rank == 0 else None
    narrator = Narrator(session, environment.workers, reporter, metrics, progress)
    watch = watch_for_requests(environment, session)
    watch.install()
    profiler = step_profiler(environment, session, watch)
    pictures = Pictures(session, session.processes.peers.from_leader(environment.pictures))
    quarantine = quarantine_of(session)
    try:
        loop = TrainingLoop(
            session, narrator, stop, profiler=profiler, pictures=pictures, quarantine=quarantine
        )
        # What is there now stays to the end. Walking through all of it would take the collector tens of milliseconds at a time, in
        # each process at another moment, and all others wait for the one.
        gc.collect()
        gc.freeze()
        code = loop.run()
    finally:
        quarantine.close(_LEFTOVER_SECONDS)
    pictures.close(_LEFTOVER_SECONDS)
    profiler.close(_LEFTOVER_SECONDS)
    watch.close()
    if session.saver.holds is not None:
        session.saver.holds.close()
    return code


def _furthest(seen: Seen, report: TrainingReport | None) -> Seen:
    if report is None:
        return seen
    return max(seen, Seen(report.attempt, report.step), key=lambda item: (item.attempt, item.step))


def run() -> int:
    """Train and end the process with the exit code; returns only when that is 0."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code != exit_codes.COMPLETE:
        # Threads may hang in collectives with peers that are gone; nothing after this line is worth waiting for.
        os._exit(code)
    if dist.is_initialized():
        dist.destroy_process_group()
    return code
