"""`webssl replay`: one training step again, for debugging."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED


def replay(
    file: Annotated[Path, typer.Argument(help="Manifest with one WebSSLRun.", show_default=False)],
    step: Annotated[int, typer.Argument(min=0, help="The step, from 0.", show_default=False)],
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Samples in one pass; without it spec.schedule.microBatchSize, or all of the step at once.",
        ),
    ] = None,
) -> None:
    """Compute one step of a run again from the checkpoint before it, in this process, and print all of it as JSON.

    Positions, sample ids, losses, gradient norms, which weights and gradients are not finite, and the step log's own
    record beside them. The run is left as it is. Exits with 1 when the step log names other samples.
    """
    from webssl_cli.manifest.check import one_run

    run = one_run(file)
    from webssl_api import ResolvedRun
    from webssl_trainer.config import trainer_config
    from webssl_trainer.loop.processes import join_processes
    from webssl_trainer.loop.replay import replay as compute
    from webssl_trainer.observe import logs
    from webssl_trainer.storage import open_storage

    logs.configure("warning")
    config = trainer_config(ResolvedRun.of(run))
    if micro_batch is not None:
        config = changed(config, plan=changed(config.plan, micro_batch=micro_batch))
    with err.status(f"replaying step {step}"):
        found = compute(config, open_storage(config.storage), step, join_processes(0, 1, 0))
    out.print(found.to_json(), markup=False, soft_wrap=True)
    if found.same_samples is False:
        raise typer.Exit(EXIT_FAILED)
