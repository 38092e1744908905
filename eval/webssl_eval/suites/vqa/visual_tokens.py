"""Patch features as a fixed number of visual tokens, computed once for each distinct image.

Shape letters: B images, R and C rows and columns of the patch grid, S side of the token grid, V = S * S, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from webssl_trainer.data import BrokenSampleError, decode_image
from webssl_trainer.data.crop_spec import IMAGENET_MEAN
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from webssl_eval.encoders import Encoder
from webssl_eval.features import ENCODE_BATCH, chunked, stacked
from webssl_eval.images import ImageRef, Located, read_images

KeyT = TypeVar("KeyT", bound=Hashable)
_MARGIN = tuple(round(255 * value) for value in IMAGENET_MEAN)


def check_grid(encoder: Encoder) -> None:
    """Look whether an encoder's patches can become a square of tokens, by one blank view.

    Raises:
        UserError: its patch grid is not square.
    """
    blank = np.zeros((encoder.resolution, encoder.resolution, 3), dtype=np.uint8)
    rows, columns = encoder.encode(stacked(encoder, [blank])).patches.shape[1:3]
    if rows != columns:
        raise UserError(
            f"encoder {encoder.name} has a grid of {rows} x {columns} patches, which is not square; the vqa suite resizes "
            "it to a square of visualTokens: use an encoder or a resolution with square views"
        )


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


def squared(pixels_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in the middle of a square of its longer side, uint8 (S, S, 3); the margins have the mean colour.

    An encoder's own view cuts the centre out, and answers are often written at the edges of pages, charts and signs.
    Source: Cambrian-1, whose encoders see padded squares.
    """
    height, width = pixels_HW3.shape[:2]
    if height == width:
        return pixels_HW3
    side = max(height, width)
    square_SS3 = np.full((side, side, 3), _MARGIN, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square_SS3[top : top + height, left : left + width] = pixels_HW3
    return square_SS3


class TokenTable(Generic[KeyT]):
    """Visual tokens of many images, float16 in a memory-mapped file: what does not fit in memory lies on the scratch disk."""

    def __init__(self, path: Path, images: Sequence[KeyT], tokens: int, width: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = {ref: row for row, ref in enumerate(images)}
        self._table = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float16, shape=(len(images), tokens, width)
        )

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, images: Sequence[KeyT], tokens_BVD: Tensor) -> None:
        """Keep the tokens of images."""
        self._table[[self._rows[ref] for ref in images]] = tokens_BVD.numpy()

    def get(self, images: Sequence[KeyT]) -> Tensor:
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
) -> TokenTable[ImageRef]:
    """Tokens of the images in `places` (image -> the place that names it), each encoded once.

    Raises:
        UserError: an image can not be decoded: a question about it has no fair score.
    """
    pairs = zip(places, read_images(storage, located, places), strict=True)
    return token_table(encoder, pairs, places, tokens, path, progress)


def token_table(
    encoder: Encoder,
    pictures: Iterable[tuple[KeyT, bytes]],
    places: Mapping[KeyT, str],
    tokens: int,
    path: Path,
    progress: Callable[[int, int], None],
) -> TokenTable[KeyT]:
    """Tokens of pictures in any order, each encoded once. places: all of them, each with the place that names it.

    Raises:
        UserError: a picture can not be decoded.
    """
    table = TokenTable(path, list(places), tokens, encoder.width)
    done = 0
    for chunk in chunked(pictures, ENCODE_BATCH):
        views = stacked(encoder, [_pixels(data, ref, places[ref]) for ref, data in chunk])
        table.put([ref for ref, _ in chunk], resized(encoder.encode(views).patches, tokens))
        done += len(chunk)
        progress(done, len(places))
    return table


def _pixels(data: bytes, ref: Hashable, place: str) -> NDArray[np.uint8]:
    try:
        return squared(np.asarray(decode_image(data)))
    except BrokenSampleError as error:
        raise UserError(
            f"{place}: image {ref} is broken ({error.reason}); replace it, or remove its lines"
        ) from error
