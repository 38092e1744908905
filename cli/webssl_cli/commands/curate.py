"""`webssl curate`: score every image of a data set once, and filter by the scores."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import CliError
from webssl_cli.storage_at import storage_for
from webssl_cli.views.curation import manifest_rows, print_rows, threshold_rows

if TYPE_CHECKING:
    from webssl_api.curation import WebSSLCurationSpec
    from webssl_trainer.curation.counting import Count
    from webssl_trainer.curation.parts import Parts
    from webssl_trainer.data import DataIndex, Selection, StoredIndex, TableIndex
    from webssl_trainer.data.look import Seen
    from webssl_trainer.storage import Storage

app = typer.Typer(no_args_is_help=True)
Table = Annotated[
    str,
    typer.Argument(
        help="Folder of a table, or the folder given to `webssl curate run` for its newest one.",
        show_default=False,
    ),
]
LightShare = Annotated[float, typer.Option(min=0, max=1, help="Share of the images to be light or heavy.")]
HeavyShare = Annotated[float, typer.Option(min=0, max=1, help="Share of the images to be heavy.")]
ENGINES = ("ray", "threads")


@app.command()
def run(
    source: Annotated[
        str,
        typer.Argument(
            help="Shards, as in spec.data.source; or a manifest of a WebSSLCuration (.yaml).",
            show_default=False,
        ),
    ],
    out_uri: Annotated[
        str | None,
        typer.Option(
            "--out", help="Folder for the table; needed unless a manifest names it.", show_default=False
        ),
    ] = None,
    scorers: Annotated[
        str, typer.Option(help="Scorers, separated by commas: text, duplicates, quality.")
    ] = "text,duplicates,quality",
    vlm: Annotated[
        str | None,
        typer.Option(
            help="Folder of a vision-language model for transformers, to ask it, too.", show_default=False
        ),
    ] = None,
    light_share: LightShare = 0.503,
    heavy_share: HeavyShare = 0.013,
    index: Annotated[
        str | None, typer.Option(help="Folder with the index, where it does not lie beside the shards.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="ray: Ray Data on this machine; threads: this process alone.")
    ] = "ray",
    workers: Annotated[
        int, typer.Option(min=0, max=1024, help="Images scored at the same time; 0: one for each processor.")
    ] = 0,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of images without scores.")
    ] = 0.05,
    endpoint: Endpoint = None,
) -> None:
    """Score every image of a data set, and write the table that spec.data.filter reads.

    May be stopped and started again: shards that are scored are not scored again. Every image has exactly one row; one that
    can not be read has a row with the cause. The thresholds of text_class keep the shares that the paper's filters keep.
    """
    from webssl_trainer.curation.counting import Count
    from webssl_trainer.curation.finish import finish
    from webssl_trainer.curation.opening import open_index, open_pass
    from webssl_trainer.curation.settings import processors
    from webssl_trainer.observe import logs

    from webssl_cli.views.bars import counting_bar

    if engine not in ENGINES:
        raise CliError(f"engine {engine!r} is unknown", f"use one of {', '.join(ENGINES)}")
    logs.configure("warning")
    if source.endswith((".yaml", ".yml")):
        from webssl_api.curation import WebSSLCuration

        from webssl_cli.manifest.check import one_of

        spec = one_of(WebSSLCuration, Path(source)).spec
        endpoint = endpoint or spec.data.storage.endpoint
    else:
        if out_uri is None:
            raise CliError("--out is missing", "name a folder for the table, such as s3://bucket/scores")
        asked = _scorers(scorers, vlm, light_share, heavy_share)
        spec = _spec(source, out_uri, asked, index, max_bad_share)
    storage = storage_for(spec.output.uri, endpoint)
    scratch = Path(tempfile.gettempdir())
    with counting_bar("indexing", err) as progress:
        found = open_index(storage, spec, progress=progress)
    parts = open_pass(storage, spec, scratch, found)
    with counting_bar("scoring", err) as progress:
        count = Count(
            len(found.shards), len(found), lambda report: progress(report.samples, report.samples_total)
        )
        _score(engine, spec, parts, workers or processors(), count, endpoint)
    with counting_bar("finishing", err) as progress:
        made = finish(parts, spec, scratch, progress)
    out.print(f"table: {made.uri}", markup=False, soft_wrap=True)
    print_rows(manifest_rows(made.manifest))


def _score(
    engine: str, spec: WebSSLCurationSpec, parts: Parts, workers: int, count: Count, endpoint: str | None
) -> None:
    from webssl_trainer.curation.engine_threads import score_shards
    from webssl_trainer.storage import StorageOptions

    if engine == "threads":
        shards = range(len(parts.index.shards))
        score_shards(parts, shards, workers, spec.data.max_pixels, spec.max_bad_share, count)
        return
    try:
        from webssl_trainer.curation.engine_ray import RaySession, score_with_ray
    except ModuleNotFoundError as error:
        raise CliError(
            f"{error.name} is not installed", "install webssl-trainer[curation], or use --engine threads"
        ) from error
    with RaySession(workers):
        score_with_ray(spec, parts, StorageOptions.from_env(endpoint=endpoint), workers, count)


@app.command()
def show(table: Table, endpoint: Endpoint = None) -> None:
    """What a table is: rows, failures, thresholds, classes, duplicates, and the scorers that made it."""
    from webssl_trainer.curation.table import open_manifest

    folder, manifest = open_manifest(storage_for(table, endpoint), table)
    out.print(f"table: {folder}", markup=False, soft_wrap=True)
    print_rows(manifest_rows(manifest))


@app.command()
def calibrate(
    table: Table,
    light_share: LightShare = 0.503,
    heavy_share: HeavyShare = 0.013,
    light: Annotated[
        float | None,
        typer.Option(min=0, help="text_length from which an image is light, instead of a share."),
    ] = None,
    heavy: Annotated[
        float | None,
        typer.Option(min=0, help="text_density from which a light one is heavy, instead of a share."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the thresholds, and write nothing.")
    ] = False,
    endpoint: Endpoint = None,
) -> None:
    """Find the thresholds of light and heavy that keep given shares, and write a table with text_class by them.

    Nothing is scored again, and the old table stays as it is, so runs that filter by it are not changed.
    """
    from webssl_trainer.curation.recalibrate import recalibrated, thresholds_of

    storage = storage_for(table, endpoint)
    found = thresholds_of(storage, table, light_share, heavy_share, light, heavy)
    if dry_run:
        print_rows(threshold_rows(found.as_dict()))
        return
    made = recalibrated(storage, table, found)
    out.print(f"table: {made.uri}", markup=False, soft_wrap=True)
    print_rows(manifest_rows(made.manifest))


@app.command()
def look(
    table: Table,
    where: Annotated[str, typer.Option(help="Condition, as in spec.data.filter.where.", show_default=False)],
    sheet: Annotated[Path, typer.Option(help="File for the contact sheet.")] = Path("kept-and-dropped.png"),
    images: Annotated[int, typer.Option(min=1, max=1000, help="Images to show of each side.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    endpoint: Endpoint = None,
) -> None:
    """A contact sheet of images that a condition keeps, above images that it drops. Images without scores are neither."""
    from webssl_trainer.curation.sheet import kept_and_dropped
    from webssl_trainer.curation.table import open_manifest
    from webssl_trainer.data import Filter, load_or_build_index, select
    from webssl_trainer.data.store_find import find_store
    from webssl_trainer.errors import UserError
    from webssl_trainer.observe import logs

    from webssl_cli.views.bars import counting_bar

    logs.configure("error")
    storage = storage_for(table, endpoint)
    folder, manifest = open_manifest(storage, table)
    index: StoredIndex | TableIndex | None = find_store(storage, manifest.source, manifest.index or None)
    if index is None:
        with counting_bar("indexing", err) as progress:
            index = load_or_build_index(storage, manifest.source, progress=progress)
    chosen = select(storage, index, Filter(folder, where, 1.0))
    kept = _drawn(storage, index, chosen, images, seed, "kept")
    try:
        others = select(storage, index, Filter(folder, f"not ({where})", 1.0))
        dropped = _drawn(storage, index, others, images, seed, "dropped")
    except UserError:  # it keeps all
        dropped = []
    kept_and_dropped(kept, dropped, where).save(sheet)
    share = 100 * len(chosen) / len(index)
    out.print(f"{len(chosen):,} of {len(index):,} kept, {share:.2f} %: {sheet}", markup=False, soft_wrap=True)


def _drawn(
    storage: Storage, index: DataIndex, chosen: Selection, images: int, seed: int, name: str
) -> list[Seen]:
    from webssl_trainer.data.look import draw, drawn_numbers

    from webssl_cli.views.bars import counting_bar

    numbers = chosen.numbers_at(drawn_numbers(len(chosen), images, seed)).tolist()
    with counting_bar(name, err) as progress:
        return draw(storage, index, numbers, progress=progress).images


def _scorers(names: str, vlm: str | None, light_share: float, heavy_share: float) -> dict[str, object]:
    from webssl_api.curation import SCORERS

    asked: dict[str, object] = {name.strip(): {} for name in names.split(",") if name.strip()}
    wrong = [name for name in asked if name not in SCORERS or name == "vlm"]
    if wrong:
        raise CliError(
            f"scorer {wrong[0]!r} is unknown here",
            "use text, duplicates, quality; and --vlm FOLDER for a model",
        )
    if "text" in asked:
        asked["text"] = {"lightShare": light_share, "heavyShare": heavy_share}
    if vlm is not None:
        asked["vlm"] = {"model": vlm if "://" in vlm else f"file://{Path(vlm).resolve()}"}
    return asked


def _spec(
    source: str, out_uri: str, scorers: dict[str, object], index: str | None, max_bad_share: float
) -> WebSSLCurationSpec:
    from pydantic import ValidationError
    from webssl_api.curation import WebSSLCurationSpec

    try:
        return WebSSLCurationSpec.model_validate(
            {
                "data": {"source": source, "index": index},
                "scorers": scorers,
                "output": {"uri": out_uri.rstrip("/")},
                "maxBadShare": max_bad_share,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise CliError(first, "see webssl curate run --help") from error
