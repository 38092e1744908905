"""Patch features as a fixed number of visual tokens, computed once for each distinct image.

Shape letters: B images, R and C rows and columns of the patch grid, S side of the token grid, V = S * S, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from webssl_trainer.data import BrokenSampleError, decode_image
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from webssl_eval.encoders import Encoder
from webssl_eval.features import encode_images
from webssl_eval.images import ImageRef, Located, read_images


def resized(patches_BRCD: Tensor, tokens: int) -> Tensor:
    """Bilinear resizing of the patch grid, (B, R, C, D) -> (B, V, D) with V = tokens, a square number, row by row.

    Growing (the paper: 16 x 16 patches to 24 x 24 tokens) is plain bilinear interpolation. Shrinking uses the same
    kernel widened to the scale, so that no patch is passed over.
    """
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f"{tokens} visual tokens are no square")
    grid_BDRC = patches_BRCD.permute(0, 3, 1, 2)
    small_BDSS = F.interpolate(
        grid_BDRC, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return small_BDSS.flatten(2).transpose(1, 2)


class TokenTable:
    """Visual tokens of many images, float16 in a memory-mapped file: what does not fit in memory lies on the scratch disk."""

    def __init__(self, path: Path, images: Sequence[ImageRef], tokens: int, width: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = {ref: row for row, ref in enumerate(images)}
        self._table = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float16, shape=(len(images), tokens, width)
        )

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, start: int, tokens_BVD: Tensor) -> None:
        """Keep the tokens of the images from number `start` on."""
        self._table[start : start + len(tokens_BVD)] = tokens_BVD.numpy()

    def get(self, images: Sequence[ImageRef]) -> Tensor:
        """Tokens of images, float32 (B, V, D)."""
        rows = [self._rows[ref] for ref in images]
        return torch.from_numpy(self._table[rows].astype(np.float32))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each of the D columns over all tokens, float32 (D,) each."""
        total, squares, count = 0.0, 0.0, 0
        for start in range(0, len(self), 1024):
            part = self._table[start : start + 1024].astype(np.float64).reshape(-1, self._table.shape[-1])
            total, squares, count = total + part.sum(0), squares + np.square(part).sum(0), count + len(part)
        mean = total / count
        spread = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
        return torch.from_numpy(np.float32(mean)), torch.from_numpy(np.float32(spread))


def compute_tokens(
    encoder: Encoder,
    storage: Storage,
    located: Located,
    places: dict[ImageRef, str],
    tokens: int,
    path: Path,
    progress: Callable[[int, int], None],
) -> TokenTable:
    """Tokens of the images in `places` (image -> the place that names it), each encoded once.

    Raises:
        UserError: an image can not be decoded: a question about it has no fair score.
    """
    images = list(places)
    table = TokenTable(path, images, tokens, encoder.width)
    done = 0
    for features in encode_images(encoder, _pixels(storage, located, places)):
        table.put(done, resized(features.patches, tokens))
        done += len(features.patches)
        progress(done, len(images))
    return table


def _pixels(storage: Storage, located: Located, places: dict[ImageRef, str]) -> Iterator[NDArray[np.uint8]]:
    for (ref, place), data in zip(places.items(), read_images(storage, located, places), strict=True):
        try:
            yield np.asarray(decode_image(data))
        except BrokenSampleError as error:
            raise UserError(
                f"{place}: image {ref} is broken ({error.reason}); replace it, or remove its lines"
            ) from error
