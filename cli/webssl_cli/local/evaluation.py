"""Evaluates a checkpoint on this machine: one suite after the other, each tried again alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_api import EvaluationReport, Phase, ResolvedRun, TrainingReport, exit_codes
from webssl_api.status import CheckpointStatus, SuiteStatus

from webssl_cli.local.environment import free_port, suite_environment
from webssl_cli.local.folder import RunFolder
from webssl_cli.local.processes import Processes
from webssl_cli.local.status import Facts, status_of
from webssl_cli.local.training import POLL_SECONDS, Show

if TYPE_CHECKING:
    from torchx.specs import Role


class Evaluation:
    """The suites of a run, on one checkpoint.

    Args:
        role: the evaluation role; the suite is named by the environment.
        report: the trainer's last report.
        facts: what the training left.
    """

    def __init__(
        self,
        resolved: ResolvedRun,
        folder: RunFolder,
        processes: Processes,
        role: Role,
        report: TrainingReport,
        facts: Facts,
        cpus: int,
        show: Show,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._resolved, self._folder, self._processes, self._role = resolved, folder, processes, role
        self._report, self._cpus, self._show, self._clock, self._pause = report, cpus, show, clock, pause
        suites = tuple(SuiteStatus(name=suite.key) for suite in resolved.spec.evaluation.suites)
        self.facts = facts.with_(phase=Phase.EVALUATING, suites=suites)

    def run(self, checkpoint: CheckpointStatus) -> Facts:
        """Run every suite; one that fails does not keep the others from running."""
        for suite in self.facts.suites:
            self._suite(suite.name, checkpoint)
        failed = [suite.name for suite in self.facts.suites if suite.phase == "Failed"]
        self.facts = self.facts.with_(
            phase=Phase.FAILED if failed else Phase.SUCCEEDED,
            message=f"evaluation failed: {', '.join(failed)}" if failed else "",
            ended=self._clock(),
        )
        self._publish()
        return self.facts

    def _suite(self, name: str, checkpoint: CheckpointStatus) -> None:
        retries = 0
        file = self._folder.suite_report_file(name)
        while True:
            known = read_evaluation(file)
            if known is not None and known.checkpoint_digest == checkpoint.digest:
                self._set(name, phase="Succeeded", retries=retries)
                return
            self._set(name, phase="Running", retries=retries)
            code = self._once(name, checkpoint)
            report = read_evaluation(file)
            if code == 0 and (report is None or report.checkpoint_digest != checkpoint.digest):
                self._set(name, phase="Failed", message=f"it ended well but left no report in {file}")
                return
            if code != 0 and (
                code == exit_codes.USER_ERROR or retries >= self._resolved.spec.evaluation.max_retries
            ):
                last = "\n".join(self._processes.last_lines(f"eval-{name}"))
                self._set(name, phase="Failed", message=f"exit code {code}\n{last}")
                return
            retries += code != 0

    def _once(self, name: str, checkpoint: CheckpointStatus) -> int:
        environment = suite_environment(
            self._folder, name, checkpoint, threads=self._cpus, metrics_port=free_port()
        )
        self._processes.start(f"eval-{name}", self._role, environment)
        while True:
            code = self._processes.state(f"eval-{name}", self._clock()).exit_code
            if code is not None:
                return code
            self._publish()
            self._pause(POLL_SECONDS)

    def _set(self, name: str, **changes: object) -> None:
        suites = tuple(
            suite.model_copy(update=changes) if suite.name == name else suite for suite in self.facts.suites
        )
        self.facts = self.facts.with_(suites=suites)
        self._publish()

    def _publish(self) -> None:
        files = {suite.name: self._folder.suite_report_file(suite.name) for suite in self.facts.suites}
        reports = {
            name: report for name, file in files.items() if (report := read_evaluation(file)) is not None
        }
        status = status_of(self._resolved.spec, self.facts, self._report, reports, self._clock())
        self._folder.write_status(status)
        self._show(status)


def read_evaluation(file: Path) -> EvaluationReport | None:
    """A suite's report; None while there is none."""
    try:
        return EvaluationReport.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
