"""What a pod of a pass is told by its command line and environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webssl_api import env as names
from webssl_api.curation import CURATION_KEY
from webssl_api.curation_status import FINISH_KEY, report_key

Action = Literal["score", "finish", "ray"]
_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class CurationSettings:
    """action: score one range, finish the table, or both on Ray. report: see `report_address`.

    number: of the range, the completion index of an Indexed Job's pod.
    """

    action: Action
    curation_file: Path
    report: str
    number: int
    threads: int
    scratch: Path
    termination_log: Path
    log_level: str

    @property
    def report_at(self) -> str:
        """Address of this pod's own report."""
        key = report_key(self.number) if self.action == "score" else FINISH_KEY
        return report_address(self.report, key)


def report_address(report: str, key: str) -> str:
    """Where the report with a key goes: a key of a ConfigMap, or a file in a folder."""
    return f"{report}#{key}" if report.startswith("configmap:") else f"{report.rstrip('/')}/{key}"


def parse(arguments: Sequence[str], env: Mapping[str, str]) -> CurationSettings:
    """Settings of a command line; what it leaves out comes from the environment. Exits with a usage text when something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m webssl_trainer.curation",
        description="Score one range of shards, or finish the table.",
    )
    parser.add_argument(
        "action",
        choices=["score", "finish", "ray"],
        help="score: the range of this pod; finish: write the table; ray: both, on Ray",
    )

    def option(flag: str, variable: str, default: str | None, text: str) -> None:
        value = env.get(variable) or default
        parser.add_argument(
            flag, default=value, required=value is None, help=f"{text} (environment: {variable})"
        )

    option("--curation", names.CURATION_FILE, f"{names.RUN_MOUNT}/{CURATION_KEY}", "curation.yaml")
    option("--report", names.REPORT, None, "configmap://NAMESPACE/NAME or file:///FOLDER for reports")
    option("--range", "JOB_COMPLETION_INDEX", "0", "number of the range, from 0")
    option("--threads", "WEBSSL_THREADS", str(processors()), "images scored at the same time")
    option("--scratch", "WEBSSL_SCRATCH", env.get("TMPDIR") or "/tmp", "writable local folder")
    option(
        "--termination-log",
        "WEBSSL_TERMINATION_LOG",
        "/dev/termination-log",
        "file for the reason of a failure",
    )
    option("--log-level", "WEBSSL_LOG_LEVEL", "info", "debug, info, warning or error")
    given = parser.parse_args(arguments)
    return CurationSettings(
        action=given.action,
        curation_file=Path(given.curation),
        report=given.report,
        number=int(given.range),
        threads=int(given.threads),
        scratch=Path(given.scratch),
        termination_log=Path(given.termination_log),
        log_level=given.log_level,
    )


def processors(limit: Path = _CPU_LIMIT) -> int:
    """Processors that this process may use: those of the machine, or fewer where its container has a limit."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit.read_text().split()
        return max(1, min(there, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no limit, or no container
        return there
