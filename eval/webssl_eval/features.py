"""Images to frozen features, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from webssl_eval.encoders import Encoder, Features

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with what is done, how many are done, and how many there are."""

ENCODE_BATCH = 64


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def encode_images(
    encoder: Encoder, images: Iterable[NDArray[np.uint8]], batch: int = ENCODE_BATCH
) -> Iterator[Features]:
    """Features of RGB images, uint8 (H, W, 3) each, `batch` at a time and in order."""
    for chunk in chunked(images, batch):
        yield encoder.encode(stacked(encoder, chunk))


def stacked(encoder: Encoder, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Prepared views of images as one batch, float32 (B, 3, S, S)."""
    return torch.from_numpy(np.stack([encoder.prepare(image) for image in images]))
