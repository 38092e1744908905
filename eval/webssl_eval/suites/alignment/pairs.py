"""Images and captions: shards with .txt members, or a folder with a .txt file beside each image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from webssl_trainer.data import BrokenSampleError, decode_image
from webssl_trainer.data.fetch import fetch
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage

from webssl_eval.suites.pair_places import TEXT, PairPlace, pair_places

_READ_AT_ONCE = 64


@dataclass(frozen=True)
class Pairs:
    """Pairs by where they lie, in the order of their names."""

    storage: Storage
    ids: list[str]
    images: list[ByteRange]
    captions: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 over ids, places of the images and captions; no pixel is read."""
        rows = zip(self.ids, self.images, self.captions, strict=True)
        text = "\n".join(f"{key} {image} {caption}" for key, image, caption in rows)
        return hashlib.sha256(text.encode()).hexdigest()

    def pixels(self) -> Iterator[NDArray[np.uint8]]:
        """RGB pixels of all images in order, uint8 (H, W, 3).

        Raises:
            UserError: an image is broken: the score depends on the number of pairs.
        """
        for start in range(0, len(self), _READ_AT_ONCE):
            pieces = fetch(self.storage, self.images[start : start + _READ_AT_ONCE]).pieces
            for key, data in zip(self.ids[start:], pieces, strict=False):
                try:
                    yield np.asarray(decode_image(data or b""))
                except BrokenSampleError as error:
                    raise UserError(
                        f"image {key} is broken ({error.reason}); replace it, or remove the pair"
                    ) from error


def open_pairs(storage: Storage, source: str, most: int) -> Pairs:
    """The first `most` pairs of a source; images without a caption are no pairs.

    Raises:
        UserError: no pair at all, or an empty caption.
    """
    places = pair_places(storage, source, most)
    if not places:
        raise UserError(
            f"no pairs at {source}; expected shards (*.tar) whose images have .{TEXT} members, or a folder with "
            f"NAME.{TEXT} beside each image"
        )
    captions = _captions(storage, places)
    return Pairs(storage, [place.key for place in places], [place.image for place in places], captions)


def _captions(storage: Storage, places: Sequence[PairPlace]) -> list[str]:
    pieces = fetch(storage, [place.text for place in places]).pieces
    captions = [(data or b"").decode("utf-8", "replace").strip() for data in pieces]
    for place, caption in zip(places, captions, strict=True):
        if not caption:
            raise UserError(f"the caption of {place.key} is empty; write one, or remove the pair")
    return captions
