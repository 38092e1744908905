"""What a worker pod is told by its command line and environment."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webssl_api import env as names

LAST_CALL = "WEBSSL_LAST_CALL"
"""Seconds that workers wait for further ones before a smaller round than wanted is formed."""
SCRATCH = "WEBSSL_SCRATCH"
TERMINATION_LOG = "WEBSSL_TERMINATION_LOG"


@dataclass(frozen=True)
class LaunchSettings:
    """run_file, report, rendezvous: see webssl_api.env. worker_id: the pod's name; address: where others reach this pod.

    slot: completion index of the pod, -1 for none. last_call, beat, poll: seconds, see rendezvous.member.Timing.
    """

    run_file: Path
    report: str
    rendezvous: str
    worker_id: str
    address: str
    slot: int
    scratch: Path
    termination_log: Path
    last_call: float
    beat: float
    poll: float
    log_level: str


def parse(arguments: Sequence[str], env: Mapping[str, str]) -> LaunchSettings:
    """Settings of a command line; what it leaves out comes from the environment. Exits with a usage text when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m webssl_trainer.launch", description=__doc__)

    def option(flag: str, variable: str, default: str | None, text: str) -> None:
        value = env.get(variable) or default
        parser.add_argument(
            flag, default=value, required=value is None, help=f"{text} (environment: {variable})"
        )

    option("--run", names.RUN_FILE, f"{names.RUN_MOUNT}/run.yaml", "run.yaml, a resolved run")
    option("--report", names.REPORT, None, "configmap://NAMESPACE/NAME or file:///PATH for reports")
    option(
        "--rendezvous", names.RENDEZVOUS, None, "configmap://NAMESPACE/NAME or file:///PATH of the rendezvous"
    )
    option("--worker-id", names.WORKER_ID, socket.gethostname(), "name of this worker")
    option("--address", names.WORKER_ADDRESS, "127.0.0.1", "address at which other workers reach this one")
    option("--slot", "JOB_COMPLETION_INDEX", "-1", "completion index; ranks follow it")
    option("--scratch", SCRATCH, env.get("TMPDIR") or "/tmp", "writable local folder")
    option("--termination-log", TERMINATION_LOG, "/dev/termination-log", "file for the reason of a failure")
    option("--last-call", LAST_CALL, "30", "seconds to wait for missing workers")
    option("--beat", "WEBSSL_BEAT", "5", "seconds between heartbeats; three missed ones mean death")
    option("--poll", "WEBSSL_POLL", "1", "seconds between readings of the rendezvous")
    option("--log-level", "WEBSSL_LOG_LEVEL", "info", "debug, info, warning or error")
    given = parser.parse_args(arguments)
    return LaunchSettings(
        run_file=Path(given.run),
        report=given.report,
        rendezvous=given.rendezvous,
        worker_id=given.worker_id,
        address=given.address,
        slot=int(given.slot),
        scratch=Path(given.scratch),
        termination_log=Path(given.termination_log),
        last_call=float(given.last_call),
        beat=float(given.beat),
        poll=float(given.poll),
        log_level=given.log_level,
    )
