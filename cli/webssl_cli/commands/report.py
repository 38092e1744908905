"""`webssl report`: one page on runs and checkpoints, beside the paper's rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Context, Endpoint, Kubeconfig, Namespace
from webssl_cli.console import err, out
from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_eval.report.account import Account

    from webssl_cli.reported import Reported

PAGE = Path("webssl-report.html")


class Format(StrEnum):
    """Forms of a report."""

    HTML = "html"
    MARKDOWN = "md"
    CSV = "csv"


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs in the cluster by name, folders of `webssl run`, or addresses of runs or checkpoints.",
            show_default=False,
        ),
    ],
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help=f"File to write; without it {PAGE} for html, and standard output for md and csv.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the report.")] = Format.HTML,
    examples: Annotated[
        int, typer.Option(min=0, help="Right and wrong answers to show, of each benchmark and suite.")
    ] = 3,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    endpoint: Endpoint = None,
) -> None:
    """Write what is known of checkpoints: scores beside the paper's, answers with their pictures, cost.

    A page needs no network: pictures are inside, and there is no script. The newest checkpoint that was evaluated counts, or
    the one that an address names.
    """
    from webssl_cli.kube.runs import Kube
    from webssl_cli.reported import reported, told_apart

    found = [reported(run, lambda: Kube(context, kubeconfig, namespace)) for run in runs]
    names = told_apart([item.name for item in found])
    asked = [replace(item, name=name) for item, name in zip(found, names, strict=True)]
    shown = examples if form is Format.HTML else 0
    text = _rendered([_account(item, endpoint, shown) for item in asked], form)
    file = out_file or (PAGE if form is Format.HTML else None)
    if file is None:
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CliError(f"--out {file}: {error.strerror}", "name a file in a folder that is there") from error
    out.print(f"{file}: {len(text.encode()) / 2**20:.1f} MiB", markup=False, soft_wrap=True)


def _account(item: Reported, endpoint: str | None, examples: int) -> Account:
    from webssl_eval.report.gather import account, with_cost
    from webssl_trainer.storage import StorageOptions, open_storage

    from webssl_cli.storage_at import storage_for

    storage = storage_for(item.uri, endpoint)
    if endpoint is None and item.endpoint is not None:
        options = StorageOptions.from_env()
        chosen = options.endpoint or item.endpoint
        storage = open_storage(StorageOptions.from_env(endpoint=chosen, region=options.region or item.region))
    with err.status(f"reading {item.name}") as status:
        found = account(
            storage,
            item.uri,
            item.name,
            examples,
            lambda what: status.update(f"reading {what} of {item.name}"),
        )
    return with_cost(found, item.cost, item.notes)


def _rendered(accounts: list[Account], form: Format) -> str:
    from webssl_eval.report.page import page
    from webssl_eval.report.plain import comma_separated, markdown

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if form is Format.CSV:
        return comma_separated(accounts)
    return markdown(accounts, made) if form is Format.MARKDOWN else page(accounts, made)
