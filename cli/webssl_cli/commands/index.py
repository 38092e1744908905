"""`webssl index`: a bucket of tars looked through once."""

from __future__ import annotations

from typing import Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out


def index(
    uri: Annotated[
        str,
        typer.Argument(
            help="Shards: a brace range, a glob, or a .txt list, as in spec.data.source.", show_default=False
        ),
    ],
    out_uri: Annotated[
        str | None,
        typer.Option(
            "--out", help="Folder for the index; without it a folder beside the shards, where runs find it."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Shards read at the same time.")] = 32,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the index back and compare every count and sum.")
    ] = False,
    endpoint: Endpoint = None,
) -> None:
    """Index tar shards, so that runs start without reading them: key, extensions, offset and length of each sample.

    May be stopped and started again, and again when shards have been added: only new and changed shards are read.
    Runs use the index that lies beside their shards, or the one that spec.data.index names.
    """
    from webssl_trainer.data.store_find import default_folder, find_store
    from webssl_trainer.data.store_make import make_store, verify_store
    from webssl_trainer.observe import logs

    from webssl_cli.storage_at import storage_for
    from webssl_cli.views.bars import counting_bar

    logs.configure("warning")
    folder = out_uri or default_folder(uri)
    storage = storage_for(folder, endpoint)
    with counting_bar("indexing", err) as progress:
        made = make_store(storage, uri, folder, threads, progress)
    if verify:
        found = find_store(storage, uri, folder)
        assert found is not None
        with counting_bar("verifying", err) as progress:
            verify_store(found, threads, progress)
    now = made.current
    changed = f"{made.read} read now, {made.known} known before" + (
        f", {made.dropped} no longer there or changed" if made.dropped else ""
    )
    out.print(
        f"{now.samples:,} images of {now.image_bytes / 1e9:,.2f} GB in {now.shards:,} shards ({changed}; "
        f"{now.damaged} damaged): {folder}",
        markup=False,
        soft_wrap=True,
    )
