"""`webssl export`: a checkpoint's encoder as a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="spec.checkpoint.uri of a run, for its newest checkpoint that verifies, or the folder of one checkpoint.",
            show_default=False,
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)],
    resolution: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Side in pixels of the images that the preprocessor makes; without it the last stage's.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Load the folder with transformers and compare the features.")
    ] = True,
    endpoint: Endpoint = None,
) -> None:
    """Write a checkpoint's encoder in transformers' layout: config, safetensors, preprocessor, model card.

    `AutoModel.from_pretrained(FOLDER)` loads it without a network and computes the same features.
    """
    from webssl_eval.published.exporting import check_free
    from webssl_eval.published.exporting import export as write
    from webssl_eval.published.source import find

    from webssl_cli.storage_at import storage_for

    check_free(folder)
    storage = storage_for(checkpoint, endpoint)
    with err.status("verifying the checkpoint"):
        source = find(storage, checkpoint)
    with err.status("writing"):
        vit = write(storage, source, folder, resolution)
    difference = ""
    if check:
        from webssl_eval.published.check import check_equal

        with err.status("comparing with transformers"):
            found = check_equal(folder, vit, resolution or source.trained.resolution)
        difference = f"; transformers' features differ by at most {found:.1g}"
    out.print(
        f"{folder}: the encoder of {source.folder}, digest {source.manifest.digest[:12]}{difference}",
        markup=False,
        soft_wrap=True,
    )
