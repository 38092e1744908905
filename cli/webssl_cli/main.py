"""The `webssl` command: one place that names every command, and how errors reach people."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from webssl_cli.commands import curate, data, eval_, recipe
from webssl_cli.commands.checkpoints import checkpoints
from webssl_cli.commands.demo import demo
from webssl_cli.commands.export import export
from webssl_cli.commands.import_ import import_
from webssl_cli.commands.index import index
from webssl_cli.commands.plan import plan
from webssl_cli.commands.replay import replay
from webssl_cli.commands.report import report
from webssl_cli.commands.run import run
from webssl_cli.commands.runs import get, logs, status, watch
from webssl_cli.commands.validate import explain, validate
from webssl_cli.console import err
from webssl_cli.errors import EXIT_FAILED, EXIT_USER, CliError

_DEBUG = "--debug"


def make_app(*, with_cluster: bool) -> typer.Typer:
    """The whole command line.

    Args:
        with_cluster: mount the local cluster's commands too; without them only their name stands in the help, which
            saves the time that importing them takes.
    """
    app = typer.Typer(
        name="webssl",
        help="Train vision models on images alone, on Kubernetes or on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command(rich_help_panel="Begin here")(demo)
    app.command(rich_help_panel="Manifests")(validate)
    app.command(rich_help_panel="Manifests")(explain)
    app.command(rich_help_panel="Manifests")(plan)
    app.add_typer(recipe.app, name="recipe", help="Published settings, as data.", rich_help_panel="Manifests")
    app.command(rich_help_panel="On this machine")(run)
    app.add_typer(
        data.app,
        name="data",
        help="Images into shards, and what is in them.",
        rich_help_panel="Data and checkpoints",
    )
    app.add_typer(
        eval_.app, name="eval", help="The paper's benchmarks.", rich_help_panel="Data and checkpoints"
    )
    app.command(rich_help_panel="Data and checkpoints")(index)
    app.add_typer(
        curate.app,
        name="curate",
        help="Score every image once, and filter by the scores.",
        rich_help_panel="Data and checkpoints",
    )
    app.command(rich_help_panel="Data and checkpoints")(checkpoints)
    app.command(rich_help_panel="Data and checkpoints")(replay)
    app.command(rich_help_panel="Data and checkpoints")(report)
    app.command(rich_help_panel="Data and checkpoints")(export)
    app.command("import", rich_help_panel="Data and checkpoints")(import_)
    for command in (get, status, watch, logs):
        app.command(rich_help_panel="On Kubernetes")(command)
    app.add_typer(
        _cluster_app() if with_cluster else typer.Typer(),
        name="cluster",
        help="A real Kubernetes with S3 and Prometheus on this machine, without Docker (needs root).",
        rich_help_panel="On Kubernetes",
    )
    return app


def _cluster_app() -> typer.Typer:
    from webssl_localcluster.cli import app

    cluster: typer.Typer = app
    return cluster


def _options(
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show tracebacks and the log of the libraries.")
    ] = False,
) -> None:
    """Options of every command."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, stream=sys.stderr)


def main() -> None:
    """Entry point of the `webssl` script."""
    app = make_app(with_cluster="cluster" in sys.argv[1:2] or "cluster" in sys.argv[2:3])
    if _DEBUG in sys.argv[1:]:
        # Wherever it stands on the line.
        arguments = [_DEBUG, *(argument for argument in sys.argv[1:] if argument != _DEBUG)]
        app(args=arguments)
        return
    try:
        app()
    except Exception as error:
        sys.exit(_show(error))


def _show(error: Exception) -> int:
    """Print one error for people; the exit code."""
    text, code = _told(error)
    err.print(f"error: {text}", style="red", markup=False, soft_wrap=True)
    return code


def _told(error: Exception) -> tuple[str, int]:
    what, mend = getattr(error, "what", None), getattr(error, "mend", None)
    if isinstance(error, CliError):
        return str(error), EXIT_USER
    if isinstance(what, str) and isinstance(mend, str):
        return f"{what}: {mend}", EXIT_USER
    if type(error).__name__ in {"UserError", "StorageDeniedError", "StorageNotFoundError"}:
        return str(error), EXIT_USER
    line = " ".join(str(error).split())
    return f"{type(error).__name__}: {line[:500]} (webssl --debug shows where)", EXIT_FAILED


if __name__ == "__main__":
    main()
