"""Trains a run on this machine: starts the workers, starts dead ones again, follows the reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_api import Phase, ResolvedRun, RunStatus, TrainingReport
from webssl_api.durations import seconds
from webssl_api.status import RestartRecord

from webssl_cli.local.environment import free_port, threads_per_process, worker_environment
from webssl_cli.local.folder import RunFolder
from webssl_cli.local.processes import Processes
from webssl_cli.local.status import Facts, rfc3339, status_of
from webssl_cli.local.supervision import Decision, Policy, Verdict, Worker, decide

if TYPE_CHECKING:
    from torchx.specs import Role

POLL_SECONDS = 0.5
Show = Callable[[RunStatus], None]


class Training:
    """The worker group of one run.

    Args:
        count: number of workers.
        role: the worker as the operator's AppDef describes it.
        show: called with every new status.
        clock: POSIX seconds.
        pause: how to wait.
    """

    def __init__(
        self,
        resolved: ResolvedRun,
        folder: RunFolder,
        processes: Processes,
        role: Role,
        count: int,
        cpus: int,
        show: Show,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._resolved, self._folder, self._processes, self._role = resolved, folder, processes, role
        self._count, self._show, self._clock, self._pause = count, show, clock, pause
        self._threads = threads_per_process(cpus, count * resolved.spec.workers.processes_per_worker)
        restart = resolved.spec.restart_policy
        self._policy = Policy(restart.max_restarts, seconds(restart.window))
        self._workers: dict[int, Worker] = {}
        self._failures: list[float] = []
        self.facts = Facts(phase=Phase.PENDING, workers=count)

    def run(self) -> Facts:
        """Train to the end; what is known then, phase Running on success and Failed on failure."""
        begun = self._clock()
        self.facts = self.facts.with_(phase=Phase.RUNNING, started=begun)
        for slot in range(self._count):
            self._start(slot)
        while True:
            self._look()
            decision = decide(self._workers, self._failures, self._policy, self._clock())
            for slot in decision.restart:
                self._start(slot)
            self.publish()
            if decision.verdict is not Verdict.GO_ON:
                return self._finish(decision)
            self._pause(POLL_SECONDS)
            self.facts = self.facts.with_(busy_seconds=self.facts.busy_seconds + self._alive() * POLL_SECONDS)

    def publish(self) -> None:
        """Write and show the status as it is now."""
        report = read_report(self._folder.report_file)
        status = status_of(self._resolved.spec, self.facts, report, {}, self._clock())
        self._folder.write_status(status)
        self._show(status)

    def _start(self, slot: int) -> None:
        name = self._name(slot)
        environment = worker_environment(
            self._folder, self._resolved.name, slot, threads=self._threads, metrics_port=free_port()
        )
        self._processes.start(name, self._role, environment)
        self._workers[slot] = Worker()

    def _look(self) -> None:
        now = self._clock()
        for slot, worker in list(self._workers.items()):
            if worker.exit_code is not None:
                continue
            found = self._processes.state(self._name(slot), now)
            self._workers[slot] = found
            if found.exit_code not in {None, 0}:
                self._failures.append(now)
                self.facts = self.facts.with_(failures=(*self.facts.failures, self._record(slot, found)))
        self.facts = self.facts.with_(alive=self._alive())

    def _record(self, slot: int, worker: Worker) -> RestartRecord:
        code = worker.exit_code or 0
        return RestartRecord(
            pod=self._name(slot),
            uid=f"{self._name(slot)}.{len(self._failures)}",
            reason="Killed" if code < 0 else "Error",
            counted=True,
            time=rfc3339(worker.ended) or "",
            exit_code=code,
        )

    def _finish(self, decision: Decision) -> Facts:
        self._processes.stop()
        self.facts = self.facts.with_(alive=0, trained=self._clock())
        if decision.verdict is Verdict.FAILED:
            told = [decision.reason]
            if decision.slot is not None:
                told += self._processes.last_lines(self._name(decision.slot))
            self.facts = self.facts.with_(phase=Phase.FAILED, message="\n".join(told), ended=self._clock())
        return self.facts

    def _alive(self) -> int:
        return sum(worker.exit_code is None for worker in self._workers.values())

    def _name(self, slot: int) -> str:
        return f"{self._resolved.name}-{slot}"


def read_report(file: Path) -> TrainingReport | None:
    """Rank 0's latest report; None while there is none."""
    try:
        return TrainingReport.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
