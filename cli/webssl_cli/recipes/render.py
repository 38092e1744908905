"""`webssl recipe render`: plain manifests, for kubectl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import yaml

from webssl_cli.errors import CliError
from webssl_cli.manifest import check
from webssl_cli.manifest.positions import Document
from webssl_cli.recipes.compose import NOTHING, Composed, compose
from webssl_cli.recipes.settings import read_setting


def composed(name: str, file: FilePath | None, written: Sequence[str]) -> Composed:
    """The recipe `name` with the one run of `file` and the `--set` arguments laid over it.

    Raises:
        CliError, RecipeError: file, recipe or argument is wrong.
    """
    return compose(name, _one_run(file), [read_setting(one) for one in written])


def rendered(name: str | None, file: FilePath | None, written: Sequence[str], run: str | None) -> str:
    """YAML of the documents of `file` with every recipe filled in; items of Lists are documents, other kinds stay as they are.

    Raises:
        CliError, RecipeError: file, recipe or argument is wrong, or what comes out is no valid run.
    """
    if file is None and name is None:
        raise CliError(
            "neither a recipe nor a file is named", "write `webssl recipe render NAME` or `-f FILE`"
        )
    settings = [read_setting(one) for one in written]
    if file is None or name is not None:
        _one_run(file)
    documents = [NOTHING] if file is None else check.read(file)
    made: list[Any] = []
    for document in documents:
        if not check.is_run(document):
            made.append(document.content)
            continue
        one = compose(name, document, settings, run).document
        _must_be_valid(one, file)
        made.append(one.content)
    return yaml.safe_dump_all(made, sort_keys=False, width=120)


def _one_run(file: FilePath | None) -> Document:
    if file is None:
        return NOTHING
    runs = [document for document in check.read(file) if check.is_run(document)]
    if len(runs) != 1:
        raise CliError(f"{file}: holds {len(runs)} WebSSLRuns", "name a file with exactly one")
    return runs[0]


def _must_be_valid(document: Document, file: FilePath | None) -> None:
    faults = check.check(document).faults
    if not faults:
        return
    told = "\n".join(check.pointed(file, fault) if file else fault.text for fault in faults)
    absent = any(" is missing: " in fault.text for fault in faults)
    raise CliError(told, "give it by -f FILE or --set PATH=VALUE" if absent else "")
