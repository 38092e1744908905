"""Batches to train a dense head on: random views encoded anew in every step, or centre views encoded once.

Shape letters: B images, S side of a view, R and C rows and columns of the patch grid, F features that the head reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from webssl_eval.encoders import Encoder
from webssl_eval.features import stacked
from webssl_eval.suites.ahead import one_ahead
from webssl_eval.suites.dense.maps import MappedImage, MapSet
from webssl_eval.suites.dense.reading import Reading
from webssl_eval.suites.dense.views import View, centre_view, random_view
from webssl_eval.suites.order import order_of

_KEPT_AT_ONCE = 16
Batches = Iterator[tuple[Tensor, Tensor]]
"""Features float32 (B, R, C, F) and values int64 (B, S, S), without end."""


@dataclass(frozen=True)
class Sampling:
    """Which views. scales: of random ones. outside: value of pixels beyond the image. check: may refuse an image's values."""

    batch: int
    seed: int
    scales: tuple[float, float]
    outside: int
    check: Callable[[MappedImage], object]


def training_batches(
    encoder: Encoder,
    reading: Reading,
    images: MapSet,
    sampling: Sampling,
    augment: bool,
    folder: Path,
    progress: Callable[[int, int], None],
) -> Batches:
    """`fresh_batches` to augment, else `kept_batches`, whose files lie in `folder`."""
    if augment:
        return fresh_batches(encoder, reading, images, sampling)
    return kept_batches(encoder, reading, images, sampling, folder, progress)


def fresh_batches(encoder: Encoder, reading: Reading, images: MapSet, sampling: Sampling) -> Batches:
    """A new random view of each image whenever it comes."""
    steps = enumerate(order_of(len(images), sampling.batch, sampling.seed))
    drawn = (_random_views(encoder, images, sampling, numbers.tolist(), step) for step, numbers in steps)
    for views, values in one_ahead(drawn):
        yield reading.read(encoder, views), values


def _random_views(
    encoder: Encoder, images: MapSet, sampling: Sampling, numbers: list[int], step: int
) -> tuple[Tensor, Tensor]:
    """Prepared views (B, 3, S, S) and values (B, S, S) of one step."""
    views = []
    for place, image in enumerate(images.read(numbers)):
        sampling.check(image)
        views.append(
            random_view(
                image.pixels,
                image.values,
                encoder.resolution,
                sampling.scales,
                sampling.outside,
                sampling.seed,
                step * sampling.batch + place,
            )
        )
    return stacked(encoder, [view.pixels for view in views]), _values(views)


def kept_batches(
    encoder: Encoder,
    reading: Reading,
    images: MapSet,
    sampling: Sampling,
    folder: Path,
    progress: Callable[[int, int], None],
) -> Batches:
    """The centre view of each image; features lie in a memory-mapped file: float16 behind a norm, which bounds them, else float32."""
    features, values = _kept(encoder, reading, images, sampling, folder, progress)
    for numbers in order_of(len(images), sampling.batch, sampling.seed):
        yield (
            torch.from_numpy(features[numbers].astype(np.float32)),
            torch.from_numpy(values[numbers].astype(np.int64)),
        )


def _kept(
    encoder: Encoder,
    reading: Reading,
    images: MapSet,
    sampling: Sampling,
    folder: Path,
    progress: Callable[[int, int], None],
) -> tuple[np.memmap, np.memmap]:
    tables: tuple[np.memmap, np.memmap] | None = None
    dtype = np.float16 if reading.normed else np.float32
    for start in range(0, len(images), _KEPT_AT_ONCE):
        numbers = range(start, min(len(images), start + _KEPT_AT_ONCE))
        views = []
        for image in images.read(numbers):
            sampling.check(image)
            views.append(centre_view(image.pixels, image.values, encoder.resolution))
        found = reading.read(encoder, stacked(encoder, [view.pixels for view in views])).numpy()
        if tables is None:
            side = encoder.resolution
            tables = (
                np.lib.format.open_memmap(
                    folder / "features.npy", "w+", dtype, (len(images), *found.shape[1:])
                ),
                np.lib.format.open_memmap(folder / "values.npy", "w+", np.int32, (len(images), side, side)),
            )
        tables[0][start : numbers.stop] = found
        tables[1][start : numbers.stop] = np.stack([view.values for view in views])
        progress(numbers.stop, len(images))
    assert tables is not None, "a set is never empty"
    return tables


def _values(views: list[View]) -> Tensor:
    return torch.from_numpy(np.stack([view.values for view in views]).astype(np.int64))
