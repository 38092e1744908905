"""`webssl import`: published weights as a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import CliError


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="Hugging Face folder (config.json and weights), or a weight file that DINOv2's or MAE's own code wrote.",
            show_default=False,
        ),
    ],
    checkpoint: Annotated[
        str,
        typer.Argument(help="Where to put it, such as s3://models/dinov2-giant.", show_default=False),
    ],
    endpoint: Endpoint = None,
) -> None:
    """Turn published weights into a checkpoint that evaluation and export read. Runs cannot go on from it."""
    from datetime import UTC, datetime

    from webssl_eval.published.importing import import_published

    from webssl_cli.storage_at import storage_for

    if not source.exists():
        raise CliError(f"{source}: is not there", "name a folder with config.json, or a weight file")
    storage = storage_for(checkpoint, endpoint)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with err.status("importing"):
        done = import_published(source, storage, checkpoint.rstrip("/"), now)
    out.print(
        f"{done.folder}\n"
        f"digest: {done.manifest.digest}\n"
        f"layout: {done.layout}\n"
        "a run that is evaluated on it says:\n"
        f"  model: {{size: {done.size}, patchSize: {done.config.patch_size}}}\n"
        f"  objective: {{{done.objective}: {{...}}}}\n"
        f"  schedule: {{stages: [{{resolution: {done.config.image_size}, ...}}], ...}}\n"
        "a WebSSLEvaluation of it says:\n"
        f"  encoder: {{size: {done.size}, patchSize: {done.config.patch_size}, objective: {done.objective}, "
        f"resolution: {done.config.image_size}}}",
        markup=False,
        soft_wrap=True,
    )
