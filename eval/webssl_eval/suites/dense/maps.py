"""Images with a map of values beside each: class numbers, or depths as whole numbers.

Layouts: a folder with `images/` and `annotations/` below it; the images' folder of such a tree (`.../images/training`, whose maps
are in `.../annotations/training`, as ADE20K has it); or shards in which a sample has a further member, such as `x.seg.png`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from webssl_trainer.data import BrokenSampleError, decode_image, load_or_build_index
from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.samples import IMAGE_EXTENSIONS
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, ObjectInfo, Storage, canonical

_IMAGES, _MAPS = "images", "annotations"
_MAP_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}


@dataclass(frozen=True)
class MappedImage:
    """pixels: RGB, uint8 (H, W, 3). values: of every pixel, int32 (H, W)."""

    sample_id: str
    pixels: NDArray[np.uint8]
    values: NDArray[np.int32]


@dataclass(frozen=True)
class MapSet:
    """Images and maps by where they lie. digest: SHA-256 over ids, places and sizes."""

    storage: Storage
    sample_ids: list[str]
    images: list[ByteRange]
    maps: list[ByteRange]

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def digest(self) -> str:
        """SHA-256 over ids, places and sizes; no pixel is read."""
        rows = zip(self.sample_ids, self.images, self.maps, strict=True)
        text = "\n".join(f"{key} {image} {values}" for key, image, values in rows)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, numbers: Sequence[int]) -> list[MappedImage]:
        """Some images, in this order.

        Raises:
            UserError: an image or a map is damaged, or their sizes differ: a score over the others would mean something else.
        """
        wanted = [where for number in numbers for where in (self.images[number], self.maps[number])]
        pieces = fetch(self.storage, wanted).pieces
        return [
            _decoded(self.sample_ids[number], pieces[2 * at], pieces[2 * at + 1])
            for at, number in enumerate(numbers)
        ]


def maps_digest(storage: Storage, sources: Sequence[str], member: str) -> str:
    """SHA-256 over ids, places and sizes of all images and maps of several sets; no pixel is read.

    Raises:
        UserError: see `open_maps`.
    """
    digests = [open_maps(storage, source, member).digest for source in sources]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def open_maps(storage: Storage, source: str, member: str) -> MapSet:
    """The set at `source`, in the order of its names. member: extension of maps in shards, such as `seg.png`.

    Raises:
        UserError: nothing there, or an image without a map.
    """
    found = (
        _from_shards(storage, source, member)
        if source.endswith((".tar", ".txt"))
        else _from_folders(storage, source)
    )
    if not len(found):
        raise UserError(
            f"no images at {source}; expected a folder with {_IMAGES}/ and {_MAPS}/, or shards with .{member} members"
        )
    return found


def folders_of(source: str) -> tuple[str, str]:
    """Folders of the images and of the maps."""
    root = canonical(source).rstrip("/")
    parts = root.split("/")
    if _IMAGES in parts:
        at = len(parts) - 1 - parts[::-1].index(_IMAGES)
        return root, "/".join([*parts[:at], _MAPS, *parts[at + 1 :]])
    return f"{root}/{_IMAGES}", f"{root}/{_MAPS}"


def _from_folders(storage: Storage, source: str) -> MapSet:
    images_at, maps_at = folders_of(source)
    maps = {_stem(info, maps_at): info for info in storage.list_objects(maps_at) if info.url.endswith(".png")}
    listed = [
        info
        for info in storage.list_objects(images_at)
        if info.url.rpartition(".")[2].lower() in IMAGE_EXTENSIONS
    ]
    images = {_stem(info, images_at): info for info in listed}
    alone = sorted(set(images) - set(maps))
    if alone:
        raise UserError(
            f"{images[alone[0]].url} has no map {maps_at}/{alone[0]}.png ({len(alone)} of {len(images)} images have "
            "none); upload the maps, or remove the images"
        )
    keys = sorted(images)
    return MapSet(storage, keys, [_whole(images[key]) for key in keys], [_whole(maps[key]) for key in keys])


def _from_shards(storage: Storage, source: str, member: str) -> MapSet:
    index = load_or_build_index(storage, source, None)
    refs = [index.locate(number) for number in range(len(index))]
    alone = next((ref for ref in refs if member not in ref.extras), None)
    if alone is not None:
        raise UserError(f"{alone.sample_id} has no member .{member}; pack the map of every image beside it")
    images = [ByteRange(ref.shard, ref.offset, ref.offset + ref.length) for ref in refs]
    parts = [(ref.shard, ref.extras[member]) for ref in refs]
    maps = [ByteRange(shard, part.offset, part.offset + part.length) for shard, part in parts]
    return MapSet(storage, [ref.sample_id for ref in refs], images, maps)


def _stem(info: ObjectInfo, root: str) -> str:
    return info.url.removeprefix(root + "/").rpartition(".")[0]


def _whole(info: ObjectInfo) -> ByteRange:
    return ByteRange(info.url, 0, info.size)


def _decoded(key: str, image: bytes | None, values: bytes | None) -> MappedImage:
    try:
        pixels = np.asarray(decode_image(image or b""))
    except BrokenSampleError as error:
        raise UserError(
            f"image {key} is broken ({error.reason}); replace it, or remove it and its map"
        ) from error
    numbers = _values(key, values or b"")
    if numbers.shape != pixels.shape[:2]:
        raise UserError(
            f"the map of {key} is {numbers.shape[1]} x {numbers.shape[0]} pixels, its image {pixels.shape[1]} x "
            f"{pixels.shape[0]}; make them equal"
        )
    return MappedImage(key, pixels, numbers)


def _values(key: str, data: bytes) -> NDArray[np.int32]:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            picture.load()
            if picture.mode in _MAP_MODES:
                return np.asarray(picture).astype(np.int32)
            problem = f"it is a picture of mode {picture.mode}, not of one value a pixel"
    except Exception as error:  # Pillow raises nearly anything on damaged files
        problem = f"{type(error).__name__}: {error}"
    raise UserError(f"the map of {key} cannot be read ({problem}); write an 8- or 16-bit grey or palette PNG")
