"""`webssl data`: images into shards, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webssl_cli.commands.data_look import look
from webssl_cli.commands.data_order import order
from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import CliError
from webssl_cli.storage_at import storage_for

app = typer.Typer(no_args_is_help=True)
app.command()(look)
app.command()(order)
Uri = Annotated[str, typer.Argument(help="Folder such as s3://bucket/images or file:///data/images.")]


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of images; folders in it are searched too.")],
    uri: Uri,
    labels: Annotated[bool, typer.Option(help="The first folder below is the class of its images.")] = False,
    samples_per_shard: Annotated[int, typer.Option(min=1, help="Images in each shard.")] = 1000,
    max_side: Annotated[
        int, typer.Option(min=0, help="Shrink longer images to this; 0 leaves all as they are.")
    ] = 0,
    endpoint: Endpoint = None,
) -> None:
    """Pack a folder of images into tar shards (WebDataset layout) and upload them."""
    from webssl_trainer.data.pack import folder_files, folder_items
    from webssl_trainer.data.pack import pack as write
    from webssl_trainer.storage import join

    from webssl_cli.views.bars import counting_bar

    if not folder.is_dir():
        raise CliError(f"{folder}: no such folder", "name a folder of images")
    storage = storage_for(uri, endpoint)
    files = folder_files(folder)
    loose = next((file for file in files if file.parent == folder), None)
    if labels and loose is not None:
        raise CliError(
            f"{loose}: lies in no class folder", "move it into FOLDER/CLASS/, or leave out --labels"
        )
    items = folder_items(folder, labelled=labels, max_side=max_side, files=files)
    with counting_bar("packing", err) as progress:
        urls = write(items, storage, uri, samples_per_shard, len(files), progress)
    out.print(
        f"{len(files)} images in {len(urls)} shards: {join(uri, '*.tar')}", markup=False, soft_wrap=True
    )


@app.command()
def example(
    name: Annotated[str, typer.Argument(help="One of the data sets that `webssl data examples` lists.")],
    uri: Uri,
    endpoint: Endpoint = None,
) -> None:
    """Bring a small public data set, packed as shards, to a storage."""
    from webssl_cli.datasets import cache_folder, find
    from webssl_cli.views.bars import counting_bar

    dataset = find(name)
    storage = storage_for(uri, endpoint)
    with err.status(f"fetching {dataset.source}"):
        data = dataset.fetch(cache_folder())
    with counting_bar(f"packing {name}", err) as progress:
        dataset.build(data, storage, uri.rstrip("/"), progress)
    out.print(f"{dataset.title}: {', '.join(dataset.addresses(uri))}", markup=False, soft_wrap=True)


@app.command()
def examples() -> None:
    """List the small public data sets that `webssl data example` knows."""
    from webssl_cli.datasets import DATASETS
    from webssl_cli.views.listing import columns

    rows = [("NAME", "WHAT", "FROM"), *((name, item.title, item.source) for name, item in DATASETS.items())]
    out.print(columns(rows), markup=False, soft_wrap=True)
