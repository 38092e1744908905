"""One `webssl run`: training, then evaluation, shown as it goes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webssl_api import Phase, ResolvedRun, RunStatus

from webssl_cli.local import roles
from webssl_cli.local.evaluation import Evaluation
from webssl_cli.local.folder import RunFolder
from webssl_cli.local.processes import Processes
from webssl_cli.local.training import Training, read_report
from webssl_cli.views.live import LiveRun

if TYPE_CHECKING:
    from webssl_cli.local.status import Facts


@dataclass(frozen=True)
class Outcome:
    """What came of it. status is None when it was stopped; phases: name and wall seconds."""

    status: RunStatus | None
    phases: list[tuple[str, float]]


def train_and_evaluate(resolved: ResolvedRun, folder: RunFolder, count: int) -> Outcome:
    """Run to the end, or until SIGINT or SIGTERM; no process is left in either case."""
    from torchx.schedulers.local_scheduler import SignalException

    processes = Processes(folder.logs)
    phases: list[tuple[str, float]] = []
    with LiveRun(resolved.name, resolved.spec.schedule.total_samples) as live:
        live.say(f"{count} workers on this machine; files in {folder.path}")
        try:
            began = time.monotonic()
            facts = _train(resolved, folder, processes, count, live)
            phases.append(("training", time.monotonic() - began))
            if facts.phase is not Phase.FAILED:
                began = time.monotonic()
                _evaluate(resolved, folder, processes, facts, live)
                phases.append(("evaluation", time.monotonic() - began))
        except SignalException:
            live.say("stopping; the workers save a checkpoint if 10 seconds are enough")
            return Outcome(None, phases)
        finally:
            processes.stop()
    return Outcome(RunStatus.model_validate_json(folder.status_file.read_bytes()), phases)


def _train(
    resolved: ResolvedRun, folder: RunFolder, processes: Processes, count: int, live: LiveRun
) -> Facts:
    role = roles.worker(resolved, folder, count)
    training = Training(resolved, folder, processes, role, count, _cpus(), live.update)
    facts = training.run()
    training.publish()
    return facts


def _evaluate(
    resolved: ResolvedRun, folder: RunFolder, processes: Processes, facts: Facts, live: LiveRun
) -> None:
    report = read_report(folder.report_file)
    assert report is not None, "a worker that completed has left its report"
    assert report.last_checkpoint is not None, "the report of a complete run names its final checkpoint"
    role = roles.evaluation(resolved)
    evaluation = Evaluation(resolved, folder, processes, role, report, facts, _cpus(), live.update)
    evaluation.run(report.last_checkpoint)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
