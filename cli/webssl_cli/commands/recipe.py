"""`webssl recipe`: published settings, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.console import err, out
from webssl_cli.errors import CliError

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A recipe that `webssl recipe list` shows.", show_default=False)]
File = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="Manifest whose fields are laid over the recipe.", show_default=False),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="PATH=VALUE laid over both, such as optimizer.learningRate=1e-4.", show_default=False
    ),
]


@app.command("list")
def list_() -> None:
    """List the recipes: what each trains, for how many steps of how many samples."""
    from webssl_api.recipe import load, names
    from webssl_api.schedule import ScheduleSpec

    from webssl_cli.views.listing import columns

    rows = [("NAME", "STEPS", "BATCH", "WHAT")]
    for name in names():
        recipe = load(name)
        schedule = ScheduleSpec.model_validate(recipe.spec["schedule"])
        rows.append((name, f"{schedule.total_steps:,}", f"{schedule.global_batch_size:,}", recipe.title))
    out.print(columns(rows), markup=False, soft_wrap=True)


@app.command()
def show(name: Name, file: File = None, set_: Set = None) -> None:
    """Print a recipe with everything filled in, and where each value comes from."""
    from webssl_cli.recipes.annotated import annotated
    from webssl_cli.recipes.render import composed

    out.print(annotated(composed(name, file, set_ or [])), markup=False, soft_wrap=True, end="")


@app.command()
def render(
    name: Annotated[
        str | None, typer.Argument(help="A recipe; without it the one that FILE names.", show_default=False)
    ] = None,
    file: File = None,
    set_: Set = None,
    run_name: Annotated[
        str | None, typer.Option("--name", help="Name of the run; without it that of FILE, or the recipe's.")
    ] = None,
) -> None:
    """Print a complete manifest for kubectl apply: a recipe, a manifest laid over it, single fields laid over both."""
    from webssl_cli.recipes.render import rendered

    out.print(rendered(name, file, set_ or [], run_name), markup=False, soft_wrap=True, end="")


@app.command()
def plot(
    name: Name,
    picture: Annotated[Path, typer.Argument(help="Picture to write, OUT.svg.", show_default=False)],
    file: File = None,
    set_: Set = None,
) -> None:
    """Draw every schedule of a recipe over its steps, as the trainer computes it."""
    if picture.suffix != ".svg":
        raise CliError(f"picture {picture}: only SVG is drawn", f"write {picture.with_suffix('.svg')}")
    from webssl_cli.recipes.curves import schedules_of
    from webssl_cli.recipes.panels import drawing
    from webssl_cli.recipes.render import composed

    with err.status("computing the schedules"):
        text = drawing(schedules_of(composed(name, file, set_ or [])))
    try:
        picture.write_text(text)
    except OSError as error:
        raise CliError(
            f"picture {picture} cannot be written ({error})", "name a file in a folder that exists"
        ) from error
    out.print(f"{picture}", markup=False, soft_wrap=True)
