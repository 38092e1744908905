"""Labelled sets as suites need them: a digest of what is there, and one numbering of classes for several sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from webssl_trainer.data import open_labelled
from webssl_trainer.data.index import shards_digest
from webssl_trainer.data.shards import expand_source
from webssl_trainer.storage import Storage


def labelled_digest(storage: Storage, sources: Sequence[str]) -> str:
    """SHA-256 over the URLs and sizes of the files of all sources, and every image's id and class; the pixels are not read.

    Raises:
        UserError: a source is missing or has no labels.
    """
    parts = [_source_digest(storage, source) for source in sources]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source_digest(storage: Storage, source: str) -> str:
    images = open_labelled(storage, source)
    names = images.class_names
    lines = [f"{key} {names[label]}" for key, label in zip(images.sample_ids, images.labels, strict=True)]
    return hashlib.sha256("\n".join([files_digest(storage, source), *lines]).encode()).hexdigest()


def files_digest(storage: Storage, source: str) -> str:
    """Digest of the URLs and sizes of the files of shards, an npz file or a folder."""
    if source.endswith((".tar", ".txt")):
        return shards_digest(expand_source(storage, source))
    if source.endswith(".npz"):
        return f"{source} {storage.size(source)}"
    listed = storage.list_objects(source)
    return hashlib.sha256("\n".join(f"{info.url} {info.size}" for info in listed).encode()).hexdigest()


def joined_names(*sets: Sequence[str]) -> list[str]:
    """The classes of several sets, each once: numbers in numeric order, then names."""
    return sorted({name for names in sets for name in names}, key=_class_order)


def renumbered(labels: NDArray[np.int64], own: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Class numbers into `own` as numbers into `names`, which holds all of `own`."""
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[own[label]] for label in labels], dtype=np.int64)


def _class_order(name: str) -> tuple[int, int | str]:
    return (0, int(name)) if name.isascii() and name.isdigit() else (1, name)
