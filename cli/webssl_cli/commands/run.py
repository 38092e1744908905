"""`webssl run`: a manifest on this machine, without a cluster."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED, CliError

if TYPE_CHECKING:
    from webssl_api import WebSSLRun

STOPPED = 130


def run(
    file: Annotated[Path, typer.Argument(help="Manifest with one WebSSLRun.", show_default=False)],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; without it as many as spec.workers allows.")
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Folder of this run's files; without it ./webssl-runs/NAME.")
    ] = None,
) -> None:
    """Train and evaluate a manifest on this machine: no cluster, no root. Run it again to go on where it stopped."""
    from webssl_cli.manifest.check import one_run

    manifest = one_run(file)
    count = worker_count(manifest, workers)
    from webssl_cli.local.folder import RUNS, RunFolder

    folder = RunFolder(workdir or RUNS / manifest.metadata.name)
    with folder.claimed():
        code = _run(manifest, folder, count)
    if code:
        raise typer.Exit(code)


def worker_count(manifest: WebSSLRun, asked: int | None) -> int:
    """The number of workers: what was asked for, or the largest allowed one.

    Raises:
        CliError: the batch cannot be divided among that many.
    """
    spec = manifest.spec
    wanted = spec.model_copy(update={"workers": spec.workers.model_copy(update={"min": 1})})
    allowed = wanted.allowed_worker_counts()
    if asked is None:
        return spec.allowed_worker_counts()[-1]
    if asked not in allowed:
        raise CliError(
            f"--workers {asked}: globalBatchSize {spec.schedule.global_batch_size} cannot be divided among them",
            f"use {' or '.join(str(count) for count in allowed)}",
        )
    return asked


def _run(manifest: WebSSLRun, folder: object, count: int) -> int:
    from torchx.schedulers.local_scheduler import SignalException
    from webssl_api import Phase

    from webssl_cli.local import roles
    from webssl_cli.local.evaluation import Evaluation
    from webssl_cli.local.folder import RunFolder
    from webssl_cli.local.processes import Processes
    from webssl_cli.local.training import Training, read_report
    from webssl_cli.views.live import LiveRun
    from webssl_cli.views.summary import summary

    assert isinstance(folder, RunFolder)
    spec = manifest.spec
    sized = spec.workers.model_copy(update={"min": min(spec.workers.min, count), "max": count})
    resolved = folder.resolve(
        manifest.model_copy(update={"spec": spec.model_copy(update={"workers": sized})})
    )
    cpus = len(os.sched_getaffinity(0))
    processes = Processes(folder.logs)
    began = time.monotonic()
    phases: list[tuple[str, float]] = []
    with LiveRun(resolved.name, resolved.spec.schedule.total_samples) as live:
        live.say(f"{count} workers on this machine; files in {folder.path}")
        try:
            training = Training(
                resolved, folder, processes, roles.worker(resolved, folder, count), count, cpus, live.update
            )
            facts = training.run()
            phases.append(("training", time.monotonic() - began))
            report = read_report(folder.report_file)
            if facts.phase is not Phase.FAILED and report is not None and report.last_checkpoint is not None:
                began = time.monotonic()
                evaluation = Evaluation(
                    resolved,
                    folder,
                    processes,
                    roles.evaluation(resolved),
                    report,
                    facts,
                    cpus,
                    live.update,
                )
                facts = evaluation.run(report.last_checkpoint)
                phases.append(("evaluation", time.monotonic() - began))
        except SignalException:
            live.say("stopping; the workers save a checkpoint if 10 seconds are enough")
            processes.stop()
            err.print(
                f"stopped; `webssl run {resolved.name}.yaml` goes on from the newest checkpoint", markup=False
            )
            return STOPPED
        finally:
            processes.stop()
    from webssl_api import RunStatus

    status = RunStatus.model_validate_json(folder.status_file.read_bytes())
    out.print(summary(resolved.name, resolved.spec, status, phases))
    out.print(f"checkpoints: {spec.checkpoint.uri}\nlogs: {folder.logs}", markup=False, soft_wrap=True)
    return EXIT_FAILED if facts.phase is Phase.FAILED else 0
