"""From the members of a shard to its samples: the WebDataset layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webssl_trainer.data.tar_index import TarMember

IMAGE_EXTENSIONS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "avif"}
)


@dataclass(frozen=True)
class Part:
    """One member of a sample: its extension (lower case), and where its data lies."""

    ext: str
    offset: int
    length: int


@dataclass(frozen=True)
class ShardSample:
    """A sample of a shard: its key, its image, and its other members in file order."""

    key: str
    image: Part
    extras: tuple[Part, ...]


def split_name(name: str) -> tuple[str, str] | None:
    """Key and extension of a member name: the key is all up to the first dot of the last path component.

    None for names without either (hidden files, `__meta__` files, names without a dot).
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, ext = base.partition(".")
    if not dot or not stem or not ext or (stem.startswith("__") and stem.endswith("__")):
        return None
    return folder.removeprefix("./") + slash + stem if folder not in {"", "."} else stem, ext.lower()


def group_members(members: Sequence[TarMember]) -> tuple[list[ShardSample], int]:
    """Samples of a shard in file order, and how many samples had no image.

    Neighbouring members with one key are one sample; an extension that comes again starts a new one. The
    first member with an image extension is the image.
    """
    samples: list[ShardSample] = []
    without_image = 0
    key, parts = "", list[Part]()

    def close() -> int:
        image = next((part for part in parts if part.ext in IMAGE_EXTENSIONS), None)
        if image is not None:
            samples.append(ShardSample(key, image, tuple(part for part in parts if part is not image)))
        return int(bool(parts) and image is None)

    for member in members:
        named = split_name(member.name)
        if named is None:
            continue
        if named[0] != key or any(part.ext == named[1] for part in parts):
            without_image += close()
            key, parts = named[0], []
        parts.append(Part(named[1], member.offset, member.size))
    return samples, without_image + close()
