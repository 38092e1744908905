"""`webssl data look`: what a data set is, and how fast it can be read from here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out

if TYPE_CHECKING:
    from webssl_trainer.data import StoredIndex, TableIndex
    from webssl_trainer.data.look import Drawn, Rates

Rows = list[tuple[str, ...]]
_SHOWN_BROKEN = 10


def look(
    uri: Annotated[
        str,
        typer.Argument(
            help="Shards: a brace range, a glob, or a .txt list, as in spec.data.source.", show_default=False
        ),
    ],
    sheet: Annotated[
        Path | None, typer.Option(help="File for a contact sheet, such as sheet.png.", show_default=False)
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=10000, help="Images to draw and decode.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    table: Annotated[
        str | None,
        typer.Option("--filter", help="Look at the samples of a table, as spec.data.filter.table names it."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="And of those at the ones that this condition chooses.")
    ] = None,
    endpoint: Endpoint = None,
) -> None:
    """Formats, sizes, bytes and broken images of a data set, the speed of its storage from here, and a contact sheet.

    Counts are over all samples, by the index beside the shards or by one made for the moment. Sizes and broken images are
    those of a draw that is spread evenly over the data.
    """
    from webssl_trainer.data import Filter, SelectedIndex, load_or_build_index, select
    from webssl_trainer.data.look import contact_sheet, draw, drawn_numbers, measure
    from webssl_trainer.data.store_find import find_store
    from webssl_trainer.observe import logs

    from webssl_cli.storage_at import storage_for
    from webssl_cli.views.bars import counting_bar
    from webssl_cli.views.listing import columns

    logs.configure("error")
    storage = storage_for(uri, endpoint)
    index: StoredIndex | TableIndex | None = find_store(storage, uri)
    if index is None:
        with counting_bar("indexing", err) as progress:
            index = load_or_build_index(storage, uri, progress=progress)
    chosen = None
    if table is not None:
        with err.status("filtering"):
            chosen = SelectedIndex(index, select(storage, index, Filter(table, where, 1.0)))
    seen = index if chosen is None else chosen
    with counting_bar("looking", err) as progress:
        drawn = draw(storage, seen, drawn_numbers(len(seen), images, seed).tolist(), progress=progress)
    rows = (
        _counted(index)
        + ([] if chosen is None else _chosen(chosen))
        + _drawn(drawn)
        + _rates(measure(storage, seen, seed))
    )
    out.print(columns(rows), markup=False, soft_wrap=True)
    for item in drawn.broken[:_SHOWN_BROKEN]:
        out.print(f"broken: {item.ref.shard} {item.ref.key}: {item.reason}", markup=False, soft_wrap=True)
    for damage in list(index.damage)[:_SHOWN_BROKEN]:
        out.print(f"damaged: {damage.shard}: {damage.reason}", markup=False, soft_wrap=True)
    if sheet is not None:
        contact_sheet(drawn.images).save(sheet)
        out.print(f"contact sheet: {sheet}", markup=False, soft_wrap=True)


def _counted(index: StoredIndex | TableIndex) -> Rows:
    def listed(counts: dict[str, int]) -> str:
        return (
            ", ".join(f"{ext} {count:,}" for ext, count in sorted(counts.items(), key=lambda item: -item[1]))
            or "none"
        )

    damaged = len(index.damage)
    return [
        ("shards", f"{len(index.shards):,}" + (f", {damaged} of them damaged or missing" if damaged else "")),
        ("images", f"{len(index):,} (and {index.without_image:,} samples without one)"),
        (
            "bytes of images",
            f"{_bytes(index.image_bytes)}, {_bytes(index.image_bytes / len(index))} each on average",
        ),
        ("formats", listed(index.counts("formats"))),
        ("other members", listed(index.counts("members"))),
    ]


def _chosen(chosen: object) -> Rows:
    from webssl_trainer.data import SelectedIndex

    assert isinstance(chosen, SelectedIndex)
    facts, share = chosen.selection.facts, len(chosen) / len(chosen.whole)
    return [
        ("filter", f"{len(chosen):,} chosen, {100 * share:.2f} %"),
        (
            "",
            f"{facts['without_row']:,} samples without a row, {facts['unmatched_rows']:,} rows without a sample",
        ),
    ]


def _drawn(drawn: Drawn) -> Rows:
    names = "smallest, 1 %, median, 99 %, largest"
    forms = ", ".join(f"{form} {count}" for form, count in drawn.forms)
    return [
        ("drawn", f"{len(drawn.images)} images, {len(drawn.broken)} broken: {forms}"),
        ("bytes of a file", f"{', '.join(_bytes(value) for value in drawn.file_bytes)} ({names})"),
        ("shorter side", f"{', '.join(str(value) for value in drawn.shorter_sides)} pixels ({names})"),
    ]


def _rates(rates: Rates) -> Rows:
    return [
        (
            "storage from here",
            f"{_bytes(rates.one_stream)}/s in one stream of 8 MB, {_bytes(rates.all_streams)}/s in eight",
        ),
        (
            "",
            f"one image in {1000 * rates.first_byte:.1f} ms; {rates.images:,.0f} images/s when 32 are asked for at once",
        ),
    ]


def _bytes(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
