"""`webssl data`: images into shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_trainer.storage import Storage

app = typer.Typer(no_args_is_help=True)
Uri = Annotated[str, typer.Argument(help="Folder such as s3://bucket/images or file:///data/images.")]


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of images; folders in it are searched too.")],
    uri: Uri,
    labels: Annotated[bool, typer.Option(help="The first folder below is the class of its images.")] = False,
    shard_size: Annotated[str, typer.Option(help="A shard is closed at this size.")] = "64MiB",
    prefix: Annotated[str, typer.Option(help="Begin of the shards' names.")] = "shard",
    endpoint: Endpoint = None,
) -> None:
    """Pack a folder of images into tar shards (WebDataset layout) and upload them."""
    from webssl_trainer.storage import join

    from webssl_cli.packing import find_items, parse_size, shards
    from webssl_cli.views.bars import bar

    limit = parse_size(shard_size)
    items = find_items(folder, labelled=labels)
    storage = storage_for(uri, endpoint)
    count = 0
    with bar("packing", len(items), err) as advance:
        for shard in shards(items, prefix, limit):
            storage.put(join(uri, shard.name), shard.data)
            advance(shard.samples, shard.name)
            count += 1
    out.print(
        f"{len(items)} images in {count} shards: {join(uri, prefix + '-*.tar')}", markup=False, soft_wrap=True
    )


def storage_for(uri: str, endpoint: str | None) -> Storage:
    """The storage of an address; keys come from the environment.

    Raises:
        CliError: the address is none.
    """
    from webssl_api.uris import is_storage_uri

    if not is_storage_uri(uri.rstrip("/") + "/x"):
        raise CliError(f"address {uri!r} is not a storage address", "write s3://bucket/path or file:///path")
    from webssl_trainer.storage import StorageOptions, open_storage

    return open_storage(StorageOptions.from_env(endpoint=endpoint))
