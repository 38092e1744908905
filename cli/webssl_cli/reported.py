"""What `webssl report` is asked about: a run in the cluster, a run's folder on this machine, or a checkpoint's address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_cli.errors import CliError
from webssl_cli.views.numbers import count, decimal, duration, percent, seconds_between

if TYPE_CHECKING:
    from webssl_api import RunStatus, TrainingReport, WebSSLRunSpec

    from webssl_cli.kube.runs import Kube


@dataclass(frozen=True)
class Reported:
    """A run, and what is known of it beside its checkpoints.

    Attributes:
        uri: `spec.checkpoint.uri`, or the folder of one checkpoint.
        endpoint: of the run's storage; None takes the environment's.
        cost: figures for people by name. notes: what the reader must know.
    """

    name: str
    uri: str
    endpoint: str | None = None
    region: str | None = None
    cost: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def reported(run: str, kube: Callable[[], Kube]) -> Reported:
    """The run that an argument names.

    Args:
        run: an address with `://`, a folder on this machine, or the name of a run in the cluster.
        kube: opens the cluster; called for a name only.

    Raises:
        CliError: there is nothing of that name.
    """
    if "://" in run:
        return _address(run)
    folder = Path(run)
    if (folder / "run.yaml").is_file():
        return _local(folder)
    if folder.is_dir():
        return _address(folder.absolute().as_uri())
    if "/" in run:
        raise CliError(
            f"{run}: there is no such folder",
            "name a run of the cluster, the folder of a `webssl run` (webssl-runs/NAME), or a checkpoint's address",
        )
    found = kube().get(run)
    return _of(run, found.run.spec, training_cost(found.status), found.status)


def told_apart(names: Sequence[str]) -> list[str]:
    """The names; of those that come several times, each with its number behind it. Pure."""
    return [
        f"{name} #{names[: place + 1].count(name)}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def training_cost(status: RunStatus) -> dict[str, str]:
    """Figures of a run's status, for people. Pure."""
    wall = seconds_between(status.start_time, status.training_completion_time)
    return {
        "GPU hours": decimal(status.gpu_hours, 3),
        "goodput": percent(status.goodput),
        "images per second, last": decimal(status.progress.images_per_second),
        "images per GPU hour": _per_hour(status.progress.samples, status.gpu_hours),
        "wall time of training": duration(wall),
        "worker failures": count(status.restarts.total),
        "steps trained twice": count(status.lost_steps),
    }


def report_cost(report: TrainingReport) -> dict[str, str]:
    """Figures of the trainer's last report, where there is no status. Pure."""
    return {
        "images per second, last": decimal(report.images_per_second),
        "wall time in steps that count": duration(report.productive_seconds),
        "steps trained twice": count(report.lost_steps),
    }


def _per_hour(samples: int, hours: float) -> str:
    return decimal(samples / hours, 0) if hours > 0 else decimal(None)


def _address(uri: str) -> Reported:
    note = "what training cost is not told by a checkpoint: name the run or its folder for that"
    parts = [part for part in uri.rstrip("/").split("/") if part]
    name = parts[-4] if len(parts) > 4 and parts[-3] == "checkpoints" else parts[-1]
    return Reported(name, uri.rstrip("/"), notes=(note,))


def _local(folder: Path) -> Reported:
    from webssl_api import ResolvedRun, RunStatus, TrainingReport

    from webssl_cli.local.folder import RunFolder

    files = RunFolder(folder)
    run = ResolvedRun.from_yaml(files.run_file.read_text())
    if files.status_file.is_file():
        status = RunStatus.model_validate_json(files.status_file.read_bytes())
        return _of(run.name, run.spec, training_cost(status), status)
    cost = {}
    if files.report_file.is_file():
        cost = report_cost(TrainingReport.model_validate_json(files.report_file.read_bytes()))
    return _of(run.name, run.spec, cost, None)


def _of(name: str, spec: WebSSLRunSpec, cost: dict[str, str], status: RunStatus | None) -> Reported:
    storage = spec.data.storage
    suites = status.evaluation.suites if status is not None and status.evaluation is not None else []
    failed = tuple(
        f"suite {suite.name} failed: {' '.join(suite.message.split())[:300] or 'see its log'}"
        for suite in suites
        if suite.phase == "Failed"
    )
    return Reported(name, spec.checkpoint.uri, storage.endpoint, storage.region, cost, failed)
