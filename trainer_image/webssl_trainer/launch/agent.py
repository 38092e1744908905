"""torchrun's elastic agent with our supervision: no death of a peer or of its store ends this agent."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from torch.distributed import DistError
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import LogsSpecs

from webssl_trainer.launch.restarts import CrashCounter, Next
from webssl_trainer.loop.environment import SEEN_NAME
from webssl_trainer.loop.progress_file import read_progress, write_progress
from webssl_trainer.rendezvous.handler import DocumentRendezvous
from webssl_trainer.rendezvous.policy import Verdict
from webssl_trainer.rendezvous.state import Progress

log = structlog.get_logger("webssl.agent")


@dataclass(frozen=True)
class Grace:
    """Seconds. stop: for a save at a step boundary, when everybody is well; broken: when the round has lost someone anyway.

    leave: how long the host of the store stays for the others after the run is complete.
    """

    stop: float
    broken: float = 5.0
    leave: float = 20.0


class ElasticAgent(LocalElasticAgent):
    """Runs the local processes of one pod through rounds until the run completes, is stopped, or fails for good.

    stop: set when the pod is asked to end. The outcome of `supervise` is a `Next`, or None after a stop.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        logs: LogsSpecs,
        rendezvous: DocumentRendezvous,
        progress_file: Path,
        grace: Grace,
        stop: threading.Event,
    ) -> None:
        super().__init__(spec, logs, start_method="forkserver", exit_barrier_timeout=0)
        self._rendezvous_handler = rendezvous
        self._progress_file = progress_file
        self._grace = grace
        self._stop = stop
        self._crashes = CrashCounter()

    def supervise(self) -> Next | None:
        """Rounds until the end. Raises RendezvousClosedError (the run is complete) and RendezvousGracefulExitError."""
        group = self._worker_group
        try:
            while True:
                try:
                    self._initialize_workers(group)
                except DistError as error:  # the round's store died with its host: meet again
                    log.warning("agent.store_lost", error=str(error))
                    continue
                decision = self._watch()
                if decision is not Next.MEET_AGAIN:
                    return decision
        finally:
            self._end_processes(self._grace.broken)

    def _watch(self) -> Next | None:
        """Look after the processes of one round."""
        while not self._stop.wait(self._worker_group.spec.monitor_interval):
            result = self._monitor_workers(self._worker_group)
            if result.state is not WorkerState.HEALTHY:
                return self._after(result)
            verdict = self._rendezvous_handler.verdict()
            if verdict is not Verdict.STAY:
                log.info("agent.round_over", verdict=verdict.value)
                self._end_processes(self._grace.stop if verdict is Verdict.RESIZE else self._grace.broken)
                return Next.MEET_AGAIN
        log.info("agent.stopping", seconds=self._grace.stop)
        self._end_processes(self._grace.stop)
        return None

    def _after(self, result: RunResult) -> Next:
        codes = [failure.exitcode for failure in result.failures.values()] if result.failures else [0]
        decision = self._crashes.decide(codes, read_progress(self._progress_file))
        log.info("agent.processes_ended", exit_codes=codes, decision=decision.value)
        if decision is Next.COMPLETE:
            self._rendezvous_handler.set_closed()
            self._stay_for_others()
        return decision

    def _stay_for_others(self) -> None:
        """The store of the round lives in rank 0's agent: keep it while the others finish."""
        until = time.monotonic() + self._grace.leave
        while (
            self._rendezvous_handler.others_remain() and time.monotonic() < until and not self._stop.is_set()
        ):
            if self._worker_group.group_rank != 0:
                return
            time.sleep(0.5)

    def _end_processes(self, seconds: float) -> None:
        if self._pcontext is not None:  # `_shutdown` takes no time before torch 2.12
            self._pcontext.close(signal.SIGTERM, timeout=max(1, round(seconds)))
        self._shutdown(signal.SIGTERM)

    def _rendezvous(self, worker_group: WorkerGroup) -> None:
        super()._rendezvous(worker_group)
        # After the meeting the document holds what the furthest of all agents saw.
        attempt, step = read_progress(self._progress_file)
        progress = max(self._rendezvous_handler.state.progress, Progress(attempt, step))
        write_progress(self._progress_file.with_name(SEEN_NAME), progress.attempt, progress.step)
