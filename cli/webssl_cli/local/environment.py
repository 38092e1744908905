"""The environment of workers and suites on this machine: the same names as in a pod, files instead of ConfigMaps."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from webssl_api import env

if TYPE_CHECKING:
    from webssl_api.status import CheckpointStatus

    from webssl_cli.local.folder import RunFolder

ADDRESS = "127.0.0.1"
PACE = {"WEBSSL_BEAT": "2", "WEBSSL_POLL": "0.5"}
"""Seconds between heartbeats and readings: on one machine a file costs nothing, and a dead worker is noticed sooner."""


def worker_environment(
    folder: RunFolder,
    run: str,
    slot: int,
    *,
    threads: int,
    metrics_port: int,
    given: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Variables of worker number `slot`; `threads` per process unless the user has set OMP_NUM_THREADS."""
    return {
        **_common(folder, threads, given),
        env.REPORT: folder.report_file.as_uri(),
        env.RENDEZVOUS: folder.rendezvous_file.as_uri(),
        env.WORKER_ID: f"{run}-{slot}",
        env.WORKER_ADDRESS: ADDRESS,
        env.METRICS_PORT: str(metrics_port),
        "JOB_COMPLETION_INDEX": str(slot),
        "WEBSSL_SCRATCH": str(folder.scratch),
        **{name: given.get(name, value) for name, value in PACE.items()},
    }


def suite_environment(
    folder: RunFolder,
    suite: str,
    checkpoint: CheckpointStatus,
    *,
    threads: int,
    metrics_port: int,
    given: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Variables of an evaluation suite on one checkpoint."""
    return {
        **_common(folder, threads, given),
        env.REPORT: folder.suite_report_file(suite).as_uri(),
        env.SUITE: suite,
        env.CHECKPOINT_URI: checkpoint.uri,
        env.CHECKPOINT_DIGEST: checkpoint.digest,
        env.METRICS_PORT: str(metrics_port),
    }


def _common(folder: RunFolder, threads: int, given: Mapping[str, str]) -> dict[str, str]:
    return {
        env.RUN_FILE: str(folder.run_file),
        "OMP_NUM_THREADS": given.get("OMP_NUM_THREADS", str(threads)),
    }


def threads_per_process(cpus: int, processes: int) -> int:
    """Threads that keep every core busy and none twice: cpus / processes, at least one."""
    return max(1, cpus // max(processes, 1))


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
    return port
