"""`webssl validate` and `webssl explain`: manifests, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_USER, CliError

File = Annotated[
    Path,
    typer.Argument(
        help="Manifest with one or more WebSSLRuns, WebSSLCurations or WebSSLEvaluations.", show_default=False
    ),
]


def validate(file: File) -> None:
    """Check a manifest with the API server's own rules, and point at what is wrong.

    A file may hold objects of several kinds, as documents or as items of a List. Objects of other APIs, such as Secrets, are
    passed over, and a line says so.
    """
    from webssl_cli.manifest import check, kinds
    from webssl_cli.views.verdict import verdict

    documents = check.read(file)
    others = [document for document in documents if not check.concerns(document)]
    if len(others) == len(documents):
        but = ", but " + ", ".join(str(document.content["kind"]) for document in others) if others else ""
        raise CliError(f"{file}: holds no {kinds.listed('or')}{but}", "name a manifest of one of these kinds")
    wrong = False
    for document in documents:
        if not check.concerns(document):
            text = f"{document.content['kind']} is passed over: it is of another API"
            told = check.pointed(file, check.Fault(document.find(("kind",)), text, document.place))
            out.print(told, style="dim", markup=False, soft_wrap=True)
            continue
        checked = check.check(document)
        wrong = wrong or bool(checked.faults)
        for fault in checked.faults:
            err.print(check.pointed(file, fault), style="red", markup=False, soft_wrap=True)
        if checked.found is not None:
            where = f"{file}, {document.place}" if document.place else str(file)
            told = f"{where}: {checked.kind} {checked.name} is valid: {verdict(checked.found)}"
            out.print(told, markup=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(EXIT_USER)


def explain(
    field: Annotated[
        str,
        typer.Argument(
            help="Path of a field, such as spec.data.source of a run; of other kinds with the kind in front, such as "
            "websslcuration.spec.scorers or wse.spec.suites."
        ),
    ] = "spec",
) -> None:
    """Say what a field of the manifest means, as kubectl explain does, without a cluster."""
    from rich.table import Table

    from webssl_cli.manifest import fields

    found = fields.explain(field)
    if found is None:
        raise CliError(f"field {field!r} is unknown", fields.instead(field))
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
