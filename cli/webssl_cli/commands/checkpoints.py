"""`webssl checkpoints`: what is in a run's checkpoint folder, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED, CliError
from webssl_cli.views.listing import columns

if TYPE_CHECKING:
    from webssl_trainer.checkpoint.discovery import Survey
    from webssl_trainer.checkpoint.lineage import Candidate

SOUND = "whole"


def checkpoints(
    uri: Annotated[str, typer.Argument(help="spec.checkpoint.uri of a run, such as s3://runs/demo.")],
    verify: Annotated[bool, typer.Option(help="Read every object and compare its checksum.")] = True,
    endpoint: Endpoint = None,
) -> None:
    """List a run's checkpoints, newest first in the order in which a resume tries them, and verify each."""
    from webssl_trainer.checkpoint.discovery import survey, verify_objects
    from webssl_trainer.checkpoint.lineage import size_problem
    from webssl_trainer.storage import join

    from webssl_cli.storage_at import storage_for
    from webssl_cli.views.bars import bar

    storage = storage_for(uri, endpoint)
    found = survey(storage, uri)
    if not found.ordered:
        raise CliError(
            f"{uri}: holds no checkpoint", "name the spec.checkpoint.uri of a run that has saved one"
        )
    states: dict[str, str] = {}
    with bar("verifying" if verify else "listing", len(found.ordered), err) as advance:
        for candidate in found.ordered:
            problem = size_problem(candidate, found.listed.folders.get(candidate.key, {}))
            if problem is None and verify and candidate.manifest is not None:
                problem = verify_objects(storage, join(uri, candidate.key.path), candidate.manifest.objects)
            states[candidate.key.path] = problem or (SOUND if verify else "sizes are right")
            advance(1, candidate.key.path)
    out.print(_table(found, states), markup=False, soft_wrap=True)
    for line in sorted({_began(candidate) for candidate in found.ordered} - {""}):
        out.print(line, markup=False, soft_wrap=True)
    if not any(problem in {SOUND, "sizes are right"} for problem in states.values()):
        raise typer.Exit(EXIT_FAILED)


def _table(found: Survey, states: dict[str, str]) -> str:
    names = ("CHECKPOINT", "STEP", "SAMPLES", "ATTEMPT", "SIZE", "DIGEST", "TIME", "STATE")
    return columns([names, *(_row(candidate, states[candidate.key.path]) for candidate in found.ordered)])


def _row(candidate: Candidate, state: str) -> tuple[str, ...]:
    manifest, key = candidate.manifest, candidate.key
    if manifest is None:
        return key.path, str(key.step), "-", str(key.attempt.number), "-", "-", "-", state
    size = sum(entry.size for entry in manifest.objects) / 2**20
    name = key.path + (" (final)" if manifest.final else "")
    return (
        name,
        f"{manifest.step:,}",
        f"{manifest.samples:,}",
        str(manifest.attempt),
        f"{size:,.1f} MiB",
        manifest.digest[:12],
        manifest.time,
        state,
    )


def _began(candidate: Candidate) -> str:
    """Where the run's first weights are from, "" for random ones."""
    began = None if candidate.manifest is None else candidate.manifest.started_from
    if began is None:
        return ""
    return f"began with the weights of {began.uri}, step {began.step:,}, digest {began.digest[:12]}"
