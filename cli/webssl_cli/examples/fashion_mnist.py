"""Fashion-MNIST (Debian `dataset-fashion-mnist`): 28 x 28 grey pictures of clothes in 10 classes."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from webssl_trainer.data.pack import PackItem, Progress, pack
from webssl_trainer.storage import Storage, join

from webssl_cli.examples.packages import from_debian

Split = Literal["train", "test"]
_FILES = {"train": "train", "test": "t10k"}
_HEADERS = {"images": 16, "labels": 8}


def fetch(cache: Path) -> Path:
    """The folder of the idx files, about 31 MB. Raises CliError."""
    return from_debian("dataset-fashion-mnist", cache) / "usr" / "share" / "datasets" / "fashion-mnist"


def images(data: Path, split: Split, start: int, count: int, labelled: bool) -> Iterator[PackItem]:
    """Pictures [start, start + count) of a split as PNG, with their class numbers if `labelled`."""
    pixels = _idx(data, split, "images").reshape(-1, 28, 28)
    labels = _idx(data, split, "labels")
    for number in range(start, min(start + count, len(labels))):
        buffer = io.BytesIO()
        Image.fromarray(pixels[number]).save(buffer, "PNG")
        label = int(labels[number]) if labelled else None
        yield PackItem(f"fashion-{split}-{number:05d}", buffer.getvalue(), "png", label=label)


def build(
    data: Path,
    storage: Storage,
    target: str,
    train: int = 1000,
    test: int = 500,
    progress: Progress | None = None,
) -> None:
    """Write the first `train` and `test` labelled pictures to `train-*.tar` and `test-*.tar` folders under `target`."""
    done = 0
    splits: tuple[tuple[Split, int], ...] = (("train", train), ("test", test))
    for split, count in splits:
        items = images(data, split, 0, count, labelled=True)
        pack(items, storage, join(target, split), samples_per_shard=1000, total=count)
        done += count
        if progress is not None:
            progress(done, train + test)


def _idx(data: Path, split: Split, what: Literal["images", "labels"]) -> NDArray[np.uint8]:
    """The bytes of an idx file behind its header (see the format's description with MNIST)."""
    dimensions = 3 if what == "images" else 1
    raw = gzip.decompress((data / f"{_FILES[split]}-{what}-idx{dimensions}-ubyte.gz").read_bytes())
    return np.frombuffer(raw, dtype=np.uint8, offset=_HEADERS[what])
