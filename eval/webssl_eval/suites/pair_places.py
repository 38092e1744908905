"""Where images and their captions lie: shards with .txt members, or a folder with a .txt file beside each image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from webssl_trainer.data import load_or_build_index
from webssl_trainer.data.samples import IMAGE_EXTENSIONS
from webssl_trainer.storage import ByteRange, ObjectInfo, Storage, canonical

TEXT = "txt"


@dataclass(frozen=True)
class PairPlace:
    """One image and the text beside it. key: their common name."""

    key: str
    image: ByteRange
    text: ByteRange


def pair_places(storage: Storage, source: str, most: int | None) -> list[PairPlace]:
    """The first `most` pairs of a source in the order of their names, None for all; images without a text are no pairs. No
    byte of them is read."""
    shards = source.endswith((".tar", ".txt"))
    found = (_in_shards if shards else _in_folder)(storage, source)
    return list(islice(found, most))


def whole(info: ObjectInfo) -> ByteRange:
    """All bytes of an object."""
    return ByteRange(info.url, 0, info.size)


def _in_shards(storage: Storage, source: str) -> Iterator[PairPlace]:
    index = load_or_build_index(storage, source, None)
    for number in range(len(index)):
        ref = index.locate(number)
        if TEXT in ref.extras:
            part = ref.extras[TEXT]
            image = ByteRange(ref.shard, ref.offset, ref.offset + ref.length)
            text = ByteRange(ref.shard, part.offset, part.offset + part.length)
            yield PairPlace(ref.sample_id, image, text)


def _in_folder(storage: Storage, source: str) -> Iterator[PairPlace]:
    root = canonical(source).rstrip("/")
    images: dict[str, ObjectInfo] = {}
    texts: dict[str, ObjectInfo] = {}
    for info in storage.list_objects(root):
        stem, _, extension = info.url.removeprefix(root + "/").rpartition(".")
        if extension == TEXT:
            texts[stem] = info
        elif extension.lower() in IMAGE_EXTENSIONS:
            images[stem] = info
    for key in sorted(set(images) & set(texts)):
        yield PairPlace(key, whole(images[key]), whole(texts[key]))
