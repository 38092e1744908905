"""Images with one or several captions each, wherever they lie; read piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from webssl_trainer.data import BrokenSampleError, decode_image
from webssl_trainer.data.fetch import fetch
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage, canonical

from webssl_eval.features import ENCODE_BATCH
from webssl_eval.suites.labelled_sources import files_digest
from webssl_eval.suites.pair_places import TEXT, pair_places, whole
from webssl_eval.suites.zeroshot.caption_files import entries_of, located


@dataclass(frozen=True)
class CaptionedImage:
    """One image as it was read.

    pixels: uint8 (H, W, 3); None with the `reason` when it can not be decoded.
    captions: those that are not blank; none when all are.
    """

    key: str
    pixels: NDArray[np.uint8] | None
    captions: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Captioned:
    """Images with captions by where they lie. texts: the places of the captions, or the captions."""

    storage: Storage
    keys: list[str]
    images: list[ByteRange]
    texts: list[ByteRange] | list[tuple[str, ...]]
    digest: str

    def __len__(self) -> int:
        return len(self.keys)

    def chunks(self) -> Iterator[list[CaptionedImage]]:
        """All images in order, some at a time."""
        for start in range(0, len(self), ENCODE_BATCH):
            part = slice(start, start + ENCODE_BATCH)
            texts = [text for text in self.texts[part] if isinstance(text, ByteRange)]
            # Images and captions of a shard lie side by side: one request reads both.
            pieces = fetch(self.storage, [*self.images[part], *texts]).pieces
            keys = self.keys[part]
            read = [lines(piece) for piece in pieces[len(keys) :]]
            known = [_kept(text) for text in self.texts[part] if not isinstance(text, ByteRange)]
            yield [
                _decoded(key, data, captions)
                for key, data, captions in zip(keys, pieces[: len(keys)], read or known, strict=True)
            ]


def open_captioned(
    storage: Storage, source: str, most: int | None, training: bool, setting: str
) -> Captioned:
    """The first `most` images of a source that have captions beside them; None for all. No caption is read here.

    Args:
        storage: where to look.
        source: shards (`.tar` pattern or `.txt` list) whose images have .txt members, a folder with NAME.txt beside each
            image, each line a caption; or a `.json` file, see `caption_files`, with the images below its folder.
        most: how many.
        training: which split of a `.json` file.
        setting: where in the manifest the source stands, for errors.

    Raises:
        UserError: no image with a caption there.
    """
    if source.endswith(".json"):
        return _from_json(storage, source, most, training, f"{setting} {source}")
    places = pair_places(storage, source, most)
    if not places:
        raise UserError(
            f"{setting} {source} holds no pairs; expected shards (*.tar) whose images have .{TEXT} members, a folder with "
            f"NAME.{TEXT} beside each image, or a .json file of captions"
        )
    digest = _digest_of(files_digest(storage, source), str(len(places)))
    return Captioned(
        storage,
        [place.key for place in places],
        [place.image for place in places],
        [place.text for place in places],
        digest,
    )


def lines(data: bytes | None) -> tuple[str, ...]:
    """The captions of a text: its lines that are not blank, without the space around them."""
    return _kept(tuple((data or b"").decode("utf-8", "replace").splitlines()))


def _kept(captions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in (" ".join(caption.split()) for caption in captions) if text)


def _from_json(storage: Storage, source: str, most: int | None, training: bool, where: str) -> Captioned:
    data, root = storage.read(source), canonical(source).rpartition("/")[0]
    entries = entries_of(data, training, where)[:most]
    found = located(entries, storage.list_objects(root), root, where)
    sizes = "\n".join(f"{info.url} {info.size}" for info in found)
    return Captioned(
        storage,
        [entry.key for entry in entries],
        [whole(info) for info in found],
        [entry.captions for entry in entries],
        _digest_of(hashlib.sha256(data).hexdigest(), sizes),
    )


def _decoded(key: str, data: bytes | None, captions: tuple[str, ...]) -> CaptionedImage:
    try:
        return CaptionedImage(key, np.asarray(decode_image(data or b"")), captions)
    except BrokenSampleError as error:
        return CaptionedImage(key, None, captions, error.reason)


def _digest_of(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
