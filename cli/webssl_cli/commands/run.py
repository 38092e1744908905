"""`webssl run`: a manifest on this machine, without a cluster."""

from __future__ import annotations

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
    from webssl_api import Phase

    from webssl_cli.local.folder import RUNS, RunFolder
    from webssl_cli.local.session import train_and_evaluate
    from webssl_cli.views.summary import summary

    folder = RunFolder(workdir or RUNS / manifest.metadata.name)
    with folder.claimed():
        resolved = folder.resolve(sized(manifest, count))
        outcome = train_and_evaluate(resolved, folder, count)
    if outcome.status is None:
        err.print(
            f"stopped; `webssl run {file}` goes on from the newest checkpoint", markup=False, soft_wrap=True
        )
        raise typer.Exit(STOPPED)
    out.print(summary(resolved.name, resolved.spec, outcome.status, outcome.phases))
    out.print(
        f"checkpoints: {resolved.spec.checkpoint.uri}\nlogs: {folder.logs}", markup=False, soft_wrap=True
    )
    if outcome.status.phase is Phase.FAILED:
        raise typer.Exit(EXIT_FAILED)


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


def sized(manifest: WebSSLRun, count: int) -> WebSSLRun:
    """The manifest for at most `count` workers."""
    spec = manifest.spec
    workers = spec.workers.model_copy(update={"min": min(spec.workers.min, count), "max": count})
    return manifest.model_copy(update={"spec": spec.model_copy(update={"workers": workers})})
