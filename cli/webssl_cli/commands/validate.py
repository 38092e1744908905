"""`webssl validate` and `webssl explain`: manifests, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_USER, CliError

File = Annotated[Path, typer.Argument(help="Manifest with one or more WebSSLRuns.", show_default=False)]


def validate(file: File) -> None:
    """Check a manifest with the API server's own rules, and point at what is wrong."""
    from webssl_cli.manifest import check

    everything = check.read(file)
    runs = [check.check(document) for document in everything if check.is_run(document)]
    if not runs:
        raise CliError(f"{file}: holds no WebSSLRun", "name a manifest of kind WebSSLRun")
    wrong = False
    for checked in runs:
        for fault in checked.faults:
            wrong = True
            err.print(check.pointed(file, fault), style="red", markup=False, soft_wrap=True)
        if checked.run is not None:
            spec = checked.run.spec
            counts = ", ".join(str(count) for count in spec.allowed_worker_counts())
            out.print(
                f"{file}: WebSSLRun {checked.name} is valid: {spec.schedule.total_steps:,} steps of"
                f" {spec.schedule.global_batch_size:,} samples on {counts} workers",
                markup=False,
                soft_wrap=True,
            )
    if wrong:
        raise typer.Exit(EXIT_USER)


def explain(
    field: Annotated[str, typer.Argument(help="Path of a field, such as spec.data.source.")] = "spec",
) -> None:
    """Say what a field of the manifest means, as kubectl explain does, without a cluster."""
    from rich.table import Table

    from webssl_cli.manifest import fields

    found = fields.explain(field)
    if found is None:
        raise CliError(f"field {field!r} is unknown", "begin with `webssl explain spec`")
    needed = ", required" if found.required else ""
    default = f", default {found.default!r}" if found.default is not None and not found.children else ""
    out.print(f"{found.path} ({found.type}{needed}{default})", style="bold", markup=False)
    out.print(f"  {found.description}", markup=False)
    if not found.children:
        return
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    for name, kind, description, required in found.children:
        shown = kind if len(kind) < 24 else "choice"
        table.add_row(f"[bold]{name}[/]{'*' if required else ''}", f"[dim]{shown}[/]", description)
    out.print(table)
