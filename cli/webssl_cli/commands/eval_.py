"""`webssl eval`: the paper's benchmarks, without a model: their data, and scores of stored predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Endpoint
from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED, CliError

if TYPE_CHECKING:
    from webssl_eval.benchmarks.benchmark import Benchmark
    from webssl_eval.benchmarks.question import Reference
    from webssl_trainer.storage import Storage

app = typer.Typer(no_args_is_help=True)
data = typer.Typer(no_args_is_help=True)
app.add_typer(data, name="data", help="Data of the benchmarks.")

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="This benchmark; may be repeated. Without it all."),
]
FOLDER_HELP = "Folder with one folder a benchmark, such as s3://bucket/benchmarks with mme-p/ and gqa/ in it."


@data.command()
def check(
    uri: Annotated[str, typer.Argument(help=FOLDER_HELP)],
    only: Only = None,
    images: Annotated[bool, typer.Option("--images", help="Also read and decode every image.")] = False,
    endpoint: Endpoint = None,
) -> None:
    """Say what is missing or malformed in the files of each benchmark.

    Files, columns, values, ids that come twice, image files that do not exist, and with --images images that can not be
    decoded. Exit code 1 when anything is.
    """
    from webssl_eval.benchmarks.checking import check as look
    from webssl_eval.benchmarks.registry import named

    from webssl_cli.storage_at import storage_for
    from webssl_cli.views.benchmarks import checked_table

    benchmarks = named(only or ())
    storage = storage_for(uri, endpoint)
    found = []
    for benchmark in benchmarks:
        with err.status(f"checking {benchmark.title}"):
            found.append(look(storage, uri, benchmark, images=images))
    out.print(checked_table(found), markup=False, soft_wrap=True)
    if any(item.problems for item in found):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def score(
    files: Annotated[
        list[str],
        typer.Argument(
            help="JSON lines of predictions: files here or addresses, of any benchmarks and shards."
        ),
    ],
    folder: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Folder with one folder a benchmark to take references from; without it references.jsonl beside the first file.",
            show_default=False,
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Count questions without a prediction as wrong, and say so."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    endpoint: Endpoint = None,
) -> None:
    """Compute the scores of stored predictions again, and the paper's means.

    A prediction is a JSON object with benchmark, version, id and text. A mean over fewer than the declared benchmarks, or
    over a part of their questions, is labelled partial.
    """
    from webssl_eval.benchmarks.predictions import Prediction, collected, parsed
    from webssl_eval.benchmarks.registry import by_name, named
    from webssl_eval.benchmarks.scoring import means
    from webssl_eval.benchmarks.scoring import score as computed
    from webssl_eval.benchmarks.summary import document
    from webssl_trainer.storage import StorageOptions, open_storage

    from webssl_cli.views.benchmarks import scores_table

    storage = open_storage(StorageOptions.from_env(endpoint=endpoint))
    known = by_name()
    urls = [_address(file) for file in files]
    answers = collected(
        (line for url in urls for line in parsed(storage.read(url), url.rpartition("/")[2], Prediction)),
        known,
    )
    if not answers:
        raise CliError(f"{files[0]}: holds no prediction", "name files of predictions")
    benchmarks = named(answers)
    references = _references(storage, folder, urls[0], benchmarks)
    results = [
        computed(
            benchmark,
            references.get(benchmark.name, ()),
            answers[benchmark.name],
            allow_missing=allow_missing,
        )
        for benchmark in benchmarks
    ]
    found = means(results, known.values())
    if as_json:
        typer.echo(json.dumps(document(results, found), indent=1, ensure_ascii=False))
    else:
        out.print(scores_table(results, found), markup=False, soft_wrap=True)


def _address(file: str) -> str:
    return file if "://" in file else Path(file).absolute().as_uri()


def _references(
    storage: Storage, folder: str | None, first: str, benchmarks: tuple[Benchmark, ...]
) -> dict[str, tuple[Reference, ...]]:
    from webssl_eval.benchmarks.checking import questions
    from webssl_eval.benchmarks.predictions import ReferenceLine, kept_references, parsed
    from webssl_eval.benchmarks.registry import by_name
    from webssl_trainer.storage import join

    if folder is not None:
        where = _address(folder)
        return {
            benchmark.name: tuple(question.reference for question in questions(storage, where, benchmark))
            for benchmark in benchmarks
        }
    beside = join(first.rpartition("/")[0], "references.jsonl")
    if not storage.exists(beside):
        raise CliError(f"{beside}: no references there", "name the folder of the benchmarks with --data")
    return kept_references(parsed(storage.read(beside), "references.jsonl", ReferenceLine), by_name())
