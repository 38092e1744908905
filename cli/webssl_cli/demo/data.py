"""The demo's data sets, from their packages into its bucket; those that are there already are left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_cli.demo.manifest import ROOT

if TYPE_CHECKING:
    from webssl_trainer.storage import Storage

    from webssl_cli.views.bars import Counted

VERSION = 1
"""Raise it when a part changes, so that demos after it write the part again."""
CLOTHES = 4000
LABELLED = 1000
"""Pictures at the begin of Fashion-MNIST's training split that k-NN votes with; training sees those after them."""


def _stamps(storage: Storage, cache: Path, progress: Counted) -> None:
    from webssl_cli.datasets import find

    dataset = find("tuxpaint")
    dataset.build(dataset.fetch(cache), storage, f"{ROOT}/stamps", progress)


def _clothes(storage: Storage, cache: Path, progress: Counted) -> None:
    from webssl_trainer.data.pack import pack

    from webssl_cli.examples import fashion_mnist

    items = fashion_mnist.images(fashion_mnist.fetch(cache), "train", LABELLED, CLOTHES, labelled=False)
    pack(items, storage, f"{ROOT}/clothes", total=CLOTHES, progress=progress)


def _fashion(storage: Storage, cache: Path, progress: Counted) -> None:
    from webssl_cli.examples import fashion_mnist

    data = fashion_mnist.fetch(cache)
    fashion_mnist.build(data, storage, f"{ROOT}/fashion", train=LABELLED, progress=progress)


def _questions(storage: Storage, cache: Path, progress: Counted) -> None:
    from webssl_cli.datasets import find

    dataset = find("easy-vqa")
    dataset.build(dataset.fetch(cache), storage, f"{ROOT}/vqa", progress)


def _broken(storage: Storage, cache: Path, progress: Counted) -> None:  # noqa: ARG001
    from webssl_trainer.data.pack import shard_bytes

    from webssl_cli.examples import broken

    items = list(broken.samples())
    storage.put(f"{ROOT}/stamps/broken.tar", shard_bytes(items))
    progress(len(items), len(items))


Part = Callable[["Storage", Path, "Counted"], None]
PARTS: dict[str, Part] = {
    "pictures of things (tuxpaint)": _stamps,
    "broken pictures, a decompression bomb among them": _broken,
    "pictures of clothes (fashion-mnist)": _clothes,
    "labelled clothes for k-NN": _fashion,
    "shapes and questions about them (easy-vqa)": _questions,
}


def fill(storage: Storage, cache: Path, bar: Callable[[str], Counted]) -> list[str]:
    """Write the parts that are missing; their names.

    Args:
        bar: gives a function that shows the progress of the part of that name.
    """
    written = []
    for name, part in PARTS.items():
        mark = f"{ROOT}/parts/{part.__name__.strip('_')}-{VERSION}"
        if storage.exists(mark):
            continue
        part(storage, cache, bar(name))
        # The mark comes last: a part that was broken off is written again.
        storage.put(mark, name.encode())
        written.append(name)
    return written
