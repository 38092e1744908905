"""What duplicates are found by: hashes of the file, of its pixels, and of how it looks.

Which sample is a duplicate of which is decided over the whole table, when the pass is finished
(`webssl_trainer.curation.assign`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image
from webssl_api.curation import DuplicatesScorer

from webssl_trainer.curation.interface import Picture, Values
from webssl_trainer.storage import Storage

_VERSION = 1
_DIGEST, _DETAIL = 16, 32


class Hashes:
    """Columns file_hash, pixel_hash, picture_hash and detail_hash; see `webssl_trainer.curation.interface.Scorer`.

    file_hash, pixel_hash: the first 128 bits of SHA-256, over the file, and over size and RGB pixels. picture_hash,
    detail_hash: 64 and 256 signs of low frequencies against their median (as "pHash" does: a luma image of 32 x 32 or 64 x 64, its
    cosine transform, the lowest 8 x 8 or 16 x 16 but for the mean).
    """

    name = "duplicates"
    columns: Sequence[tuple[str, Any]] = (
        ("file_hash", pa.binary(_DIGEST)),
        ("pixel_hash", pa.binary(_DIGEST)),
        ("picture_hash", pa.uint64()),
        ("detail_hash", pa.binary(_DETAIL)),
    )
    side: int | None = None
    batched = False
    identity = {"version": _VERSION}  # noqa: RUF012

    def score(self, pictures: Sequence[Picture]) -> list[Values]:
        """See Scorer."""
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: Picture) -> Values:
        image = picture.image
        pixels = hashlib.sha256(f"{image.width} {image.height}\n".encode())
        pixels.update(image.tobytes())
        luma = image.convert("L")
        return {
            "file_hash": hashlib.sha256(picture.data).digest()[:_DIGEST],
            "pixel_hash": pixels.digest()[:_DIGEST],
            "picture_hash": picture_hash(luma),
            "detail_hash": detail_hash(luma),
        }


def picture_hash(luma: Image.Image) -> int:
    """64 bits that stay nearly the same when an image is scaled, recoded or slightly changed."""
    return int.from_bytes(_signs(luma, 32, 8, 0.1), "big")


def detail_hash(luma: Image.Image) -> bytes:
    """256 bits, as 32 bytes, that stay nearly the same, too, and differ between drawings of one composition."""
    return _signs(luma, 64, 16, 0.05)


def _signs(luma: Image.Image, side: int, low: int, margin: float) -> bytes:
    """Which of the lowest `low` x `low` frequencies of a `side` x `side` image are above their median, as bits.

    By at least `margin` of their root mean square: frequencies that a soft image has not are noise about the median, and
    would else fall to either side of it.
    """
    small = np.asarray(luma.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
    cosines = _cosines(side, low)
    flat = (cosines @ small @ cosines.T).reshape(-1)
    least = np.median(flat[1:]) + margin * np.sqrt((flat[1:] ** 2).mean())
    bits = np.round(flat - least, 3) > 0  # a blank image has none, not the noise of arithmetic
    bits[0] = False  # how bright it is says nothing
    return np.packbits(bits).tobytes()


@cache
def _cosines(side: int, low: int) -> NDArray[np.float64]:
    """The lowest rows of the cosine transform (type II) of `side` values, float64 (low, side)."""
    frequency, place = np.arange(low)[:, None], np.arange(side)[None, :]
    found: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * place + 1) / (2 * side))
    return found


def make(_settings: DuplicatesScorer, _storage: Storage, _scratch: Path) -> Hashes:
    """The scorer of `spec.scorers.duplicates`; its settings concern the finishing of the table only."""
    return Hashes()
