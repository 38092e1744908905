"""`webssl data order`: which samples the positions of a run get."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out


def order(
    uri: Annotated[
        str,
        typer.Argument(
            help="Shards, as in spec.data.source; or a manifest (.yaml), for its filters and mixture.",
            show_default=False,
        ),
    ],
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of the order; without it that of the manifest, or 0.", show_default=False
        ),
    ] = None,
    at: Annotated[int, typer.Option(min=0, help="First position, counted from 0 over the whole run.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=100000, help="Positions to print.")] = 1,
    endpoint: Endpoint = None,
) -> None:
    """Print which samples the positions of a new run get: epoch, number in the data, shard, key and bytes.

    Step s of a run takes the positions from s x globalBatchSize on. A run that has checkpoints keeps the data it was
    started with: for such a run `webssl replay` says what a step used.
    """
    import numpy as np
    from webssl_trainer.data import MixtureOrder, Source, load_data, prepare_data
    from webssl_trainer.observe import logs

    from webssl_cli.storage_at import storage_for
    from webssl_cli.views.listing import columns

    logs.configure("error")
    sources: tuple[Source, ...] = (Source(uri),)
    neighbours = batch = None
    if uri.endswith((".yaml", ".yml")):
        from webssl_api import ResolvedRun
        from webssl_trainer.config import trainer_config

        from webssl_cli.manifest.check import one_run

        run = one_run(Path(uri))
        config = trainer_config(ResolvedRun.of(run))
        sources, seed = config.sources, config.seed if seed is None else seed
        neighbours, batch = config.neighbours, config.plan.global_batch
        endpoint = endpoint or config.storage.endpoint
    shards = sources[0].shards
    storage = storage_for(shards if isinstance(shards, str) else shards[0], endpoint)
    with err.status("looking at the data"):
        folder = "memory:///webssl-data-order"
        digest = prepare_data(storage, sources, folder, neighbours=neighbours, global_batch=batch)
        data = load_data(storage, folder, digest, seed or 0)
    positions = np.arange(at, at + count, dtype=np.int64)
    refs = data.index.locate_all(data.order.samples_at(positions).tolist())
    mixed = (
        data.order.sources_at(positions)[0].tolist() if isinstance(data.order, MixtureOrder) else [0] * count
    )
    rows: list[tuple[str, ...]] = [("POSITION", "EPOCH", "SOURCE", "SAMPLE", "BYTES", "SHARD", "KEY")]
    for position, epoch, source, ref in zip(
        positions.tolist(), data.order.epochs_at(positions).tolist(), mixed, refs, strict=True
    ):
        cells = (position, epoch, source, ref.index, ref.length, ref.shard, ref.key)
        rows.append(tuple(str(cell) for cell in cells))
    out.print(columns(rows), markup=False, soft_wrap=True)
