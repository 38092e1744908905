"""`webssl plan`: what a run needs, before a GPU is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED

if TYPE_CHECKING:
    from webssl_api import WebSSLRun
    from webssl_trainer.planning import Assumptions, Outlook


def plan(
    file: Annotated[
        Path, typer.Option("--file", "-f", help="Manifest with one WebSSLRun.", show_default=False)
    ],
    gpu: Annotated[
        str, typer.Option(help="GPU of each process: B200, H200, H100, A100, A100-40GB, L40S or L4.")
    ] = "H100",
    mfu: Annotated[
        float,
        typer.Option(
            min=0.01, max=1.0, help="Share of the GPU's peak that training reaches; an assumption of yours."
        ),
    ] = 0.4,
    headroom: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.9, help="Share of the GPU's memory left to CUDA, NCCL and gaps between tensors."
        ),
    ] = 0.08,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="Price of one GPU for an hour, in any currency.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
) -> None:
    """Say what a run needs at each worker count: memory, time, cost. Exits with 1 if it does not fit."""
    from webssl_cli.manifest.check import one_run

    run = one_run(file)
    from webssl_trainer.planning import Assumptions, gpu_named

    from webssl_cli.views import plan as view

    planned = planned_run(run, Assumptions(gpu_named(gpu), mfu, headroom, price))
    name = run.metadata.name
    if json_:
        out.print_json(data=view.plan_dict(name, planned))
    else:
        out.print(view.plan_view(name, planned))
    if not planned.fits:
        err.print(f"error: {view.refusal(planned)}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_FAILED)


def planned_run(run: WebSSLRun, assumptions: Assumptions) -> Outlook:
    """The outlook of a manifest's run.

    Raises:
        UserError: the trainer or the planner refuses it, naming the field.
    """
    from webssl_api.resolved import ResolvedRun
    from webssl_trainer.config import trainer_config
    from webssl_trainer.planning import GPUS, job_of, outlook

    workers = run.spec.workers
    job = job_of(
        trainer_config(ResolvedRun.of(run)), (workers.min, workers.max), workers.processes_per_worker
    )
    return outlook(job, assumptions, list(GPUS.values()))
