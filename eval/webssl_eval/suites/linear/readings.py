"""What the heads read of images: once for each image, or anew from random crops in every step.

Shape letters: B images, S side of a view, R numbers in the readings of an image (see `grid`), D width of a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from webssl_trainer.data import LabelledSet, Purpose, uniforms
from webssl_trainer.data.crops import crop_box, cut

from webssl_eval.encoders import Encoder
from webssl_eval.features import ENCODE_BATCH, stacked
from webssl_eval.suites.linear.grid import LAYERS

CROP_AREA, CROP_RATIO, FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5
_CROP_DRAWS = 41
_THREADS = 8


def read_layers(encoder: Encoder) -> int:
    """How many CLS tokens the readings hold."""
    return min(max(LAYERS), encoder.depth)


def readings_of(encoder: Encoder, views_B3SS: Tensor) -> Tensor:
    """Prepared views -> readings, float32 (B, R)."""
    layers = range(encoder.depth - read_layers(encoder), encoder.depth)
    parts = [torch.empty(0, (len(layers) + 1) * encoder.width)]
    for at in range(0, len(views_B3SS), ENCODE_BATCH):
        outputs = encoder.encode_layers(views_B3SS[at : at + ENCODE_BATCH], layers, normed=True)
        tokens = [*(output.cls for output in outputs), outputs[-1].patches.mean(dim=(1, 2))]
        parts.append(torch.cat(tokens, dim=1))
    return torch.cat(parts)


@dataclass(frozen=True)
class ReadingTable:
    """Readings of images that can be decoded, float16 (N, R) in a memory-mapped file. numbers: which images of the set they are."""

    numbers: NDArray[np.int64]
    table: NDArray[np.float16]

    def rows(self, wanted: NDArray[np.int64] | slice) -> Tensor:
        """Some rows, float32."""
        return torch.from_numpy(self.table[wanted].astype(np.float32))


def read_all(
    encoder: Encoder,
    images: LabelledSet,
    numbers: NDArray[np.int64],
    path: Path,
    progress: Callable[[int, int], None],
) -> ReadingTable:
    """Readings of the plain views of some images of a set; broken images are left out."""
    width = (read_layers(encoder) + 1) * encoder.width
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(max(1, len(numbers)), width))
    kept: list[int] = []
    for start in range(0, len(numbers), ENCODE_BATCH):
        chunk = numbers[start : start + ENCODE_BATCH]
        read = [
            (n, pixels) for n, pixels in zip(chunk, _pixels(images, chunk), strict=True) if pixels is not None
        ]
        if read:
            found = readings_of(encoder, stacked(encoder, [pixels for _, pixels in read]))
            table[len(kept) : len(kept) + len(read)] = found.numpy()
            kept += [int(number) for number, _ in read]
        progress(min(start + ENCODE_BATCH, len(numbers)), len(numbers))
    return ReadingTable(np.array(kept, dtype=np.int64), table[: len(kept)])


@dataclass(frozen=True)
class Crops:
    """Prepared random crops, float32 (B, 3, S, S), and which images they are of."""

    views: NDArray[np.float32]
    numbers: NDArray[np.int64]


def random_crops(
    encoder: Encoder, images: LabelledSet, numbers: NDArray[np.int64], seed: int, position: int
) -> Crops:
    """One random resized crop of each image; broken ones are left out. Nothing is encoded here.

    position: of the first image in the whole training; the crops are a function of it and the seed.
    """
    read = [(place, pixels) for place, pixels in enumerate(_pixels(images, numbers)) if pixels is not None]
    with ThreadPoolExecutor(_THREADS) as pool:
        views = list(pool.map(lambda item: _crop(encoder, item[1], seed, position + item[0]), read))
    side = encoder.resolution
    empty = np.empty((0, 3, side, side), dtype=np.float32)
    kept = np.array([numbers[place] for place, _ in read], dtype=np.int64)
    return Crops(np.stack(views) if views else empty, kept)


def _crop(encoder: Encoder, pixels: NDArray[np.uint8], seed: int, position: int) -> NDArray[np.float32]:
    draws = uniforms(seed, position, Purpose.CROP_GEOMETRY, _CROP_DRAWS)
    height, width = pixels.shape[:2]
    box = crop_box(width, height, CROP_AREA, CROP_RATIO, FLIP, draws)
    return encoder.prepare(np.asarray(cut(Image.fromarray(pixels), box, encoder.resolution)))


def _pixels(
    images: LabelledSet, numbers: Sequence[int] | NDArray[np.int64]
) -> list[NDArray[np.uint8] | None]:
    """RGB pixels of images of a set; neighbours are read in one request."""
    runs: list[range] = []
    for number in (int(n) for n in numbers):
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    with ThreadPoolExecutor(_THREADS) as pool:
        return [pixels for found in pool.map(partial(_read, images), runs) for pixels in found]


def _read(images: LabelledSet, numbers: range) -> list[NDArray[np.uint8] | None]:
    return images.read(numbers)
